package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
)

// jwtOf encodes the parts of a token.
func jwtOf(parts ...string) string {
	for i, p := range parts {
		parts[i] = base64.RawURLEncoding.EncodeToString([]byte(p))
	}
	return strings.Join(parts, ".")
}

func TestTokensThatAreKnownByTheirPrefix(t *testing.T) {
	const (
		letters = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
		id      = "AKIAIOSFODNN7EXAMPLE"
		key     = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	)
	commit := strings.Repeat("0123456789", 4)
	for name, c := range map[string]struct{ text, want string }{
		"GitHub, personal":              {"ghp_" + letters, "[REDACTED:github-token]"},
		"GitHub, OAuth":                 {"gho_" + letters, "[REDACTED:github-token]"},
		"GitHub, user to server":        {"ghu_" + letters, "[REDACTED:github-token]"},
		"GitHub, installation":          {"token=ghs_" + letters + "\n", "token=[REDACTED:github-token]\n"},
		"GitHub, refresh":               {"ghr_" + letters + letters + ".", "[REDACTED:github-token]."},
		"GitHub, fine-grained":          {"(github_pat_" + letters[:22] + "_" + letters + ")", "([REDACTED:github-token])"},
		"GitHub, in a URL":              {"https://x-access-token:ghs_" + letters + "@github.com/o/r", "https://x-access-token:[REDACTED:github-token]@github.com/o/r"},
		"GitHub, in colour":             {"\x1b[32mghp_" + letters + "\x1b[0m", "\x1b[32m[REDACTED:github-token]\x1b[0m"},
		"GitHub, too short":             {"ghp_" + letters[:35] + " ghp_", "ghp_" + letters[:35] + " ghp_"},
		"GitLab":                        {"glpat-" + letters[:20] + "\n", "[REDACTED:gitlab-token]\n"},
		"Slack":                         {"xoxb-123456789012-abcdef xoxp-1234567890", "[REDACTED:slack-token] [REDACTED:slack-token]"},
		"Slack, an app's":               {"xapp-1-A012-345-abcdef xapp-2 xapp-1-", "[REDACTED:slack-token] xapp-2 xapp-1-"},
		"Slack, a webhook":              {"https://hooks.slack.com/services/T0AB/B0CD/" + letters[:24] + " is", "https://hooks.slack.com/[REDACTED:slack-webhook] is"},
		"Slack, a workflow's webhook":   {"hooks.slack.com/triggers/T0AB/123/" + letters[:24] + "?a", "hooks.slack.com/[REDACTED:slack-webhook]?a"},
		"Slack, its documentation":      {"https://hooks.slack.com/services/", "https://hooks.slack.com/services/"},
		"Stripe":                        {"sk_live_" + letters[:24] + " rk_live_" + letters + ".", "[REDACTED:stripe-key] [REDACTED:stripe-key]."},
		"Stripe, for tests":             {"sk_test_" + letters, "sk_test_" + letters},
		"Anthropic":                     {"x-api-key: sk-ant-api03-" + letters + "-_AA\n", "x-api-key: [REDACTED:anthropic-key]\n"},
		"Google":                        {"?key=AIza" + letters[:35] + "&a", "?key=[REDACTED:google-key]&a"},
		"Google, too short":             {"AIza" + letters[:34], "AIza" + letters[:34]},
		"JWT":                           {"Bearer " + jwtOf(`{"alg":"HS256"}`, `{"sub":"1234567890"}`, "signature") + "\n", "Bearer [REDACTED:jwt]\n"},
		"JWT, in a sentence":            {"is " + jwtOf(`{"typ":"JWT"}`, `{"sub":"1234567890"}`, "signature") + ". And", "is [REDACTED:jwt]. And"},
		"JWT, encrypted":                {jwtOf(`{"enc":"A128GCM"}`, "", "vector", "text", "tag") + ",", "[REDACTED:jwt],"},
		"JWT, at the end":               {jwtOf(`{"kid":"1"}`, `{"sub":"1234567890"}`, "signature"), "[REDACTED:jwt]"},
		"JWT, two in a row":             {strings.Repeat(jwtOf(`{"alg":"HS256"}`, `{"sub":"1234567890"}`, "signature")+" ", 2), "[REDACTED:jwt] [REDACTED:jwt] "},
		"JWT, of 8 KiB":                 {"<" + jwtOf(`{"alg":"HS256"}`, strings.Repeat("x", 6<<10), "signature") + ">", "<[REDACTED:jwt]>"},
		"JWT, not signed":               {jwtOf(`{"alg":"none"}`, `{"sub":"1234567890"}`, ""), jwtOf(`{"alg":"none"}`, `{"sub":"1234567890"}`, "")},
		"JWT, its header alone":         {jwtOf(`{"alg":"HS256"}`) + " eyJh.a.b", jwtOf(`{"alg":"HS256"}`) + " eyJh.a.b"},
		"a source map":                  {"base64," + jwtOf(`{"version":3,"file":"a.js"}`), "base64," + jwtOf(`{"version":3,"file":"a.js"}`)},
		"npm":                           {"//registry/:_authToken=npm_" + letters, "//registry/:_authToken=[REDACTED:npm-token]"},
		"npm's own variables":           {"npm_config_registry npm_lifecycle_event npm_package_json_and_so_on_and_so_on", "npm_config_registry npm_lifecycle_event npm_package_json_and_so_on_and_so_on"},
		"AWS, a file":                   {"aws_access_key_id = " + id + "\naws_secret_access_key = " + key + "\n", "aws_access_key_id = " + id + "\naws_secret_access_key = [REDACTED:aws-secret-key]\n"},
		"AWS, JSON":                     {`{"AccessKeyId": "ASIA` + id[4:] + `", "SecretAccessKey": "` + key + `"}`, `{"AccessKeyId": "ASIA` + id[4:] + `", "SecretAccessKey": "[REDACTED:aws-secret-key]"}`},
		"AWS, in colours":               {id + " \x1b[1m" + key + "\x1b[0m", id + " \x1b[1m[REDACTED:aws-secret-key]\x1b[0m"},
		"AWS, at the end":               {id + " " + key, id + " [REDACTED:aws-secret-key]"},
		"AWS, an id alone":              {id, id},
		"AWS, a commit beside it":       {id + " " + commit + " " + key, id + " " + commit + " [REDACTED:aws-secret-key]"},
		"AWS, something longer":         {id + " " + key + "A " + key + "=", id + " " + key + "A " + key + "="},
		"AWS, as far as may be":         {id + strings.Repeat(" ", 255) + key, id + strings.Repeat(" ", 255) + "[REDACTED:aws-secret-key]"},
		"AWS, far away":                 {id + strings.Repeat(" ", 300) + key, id + strings.Repeat(" ", 300) + key},
		"AWS, an id that goes on":       {id + "S " + key, id + "S " + key},
		"AWS, a word that is no id":     {"AKIAiosfodnn7example " + key, "AKIAiosfodnn7example " + key},
		"a key":                         {"<" + pemKey + ">", "<[REDACTED:private-key]\n>"},
		"a key, twice":                  {pemKey + pemKey, "[REDACTED:private-key]\n[REDACTED:private-key]\n"},
		"a key, indented":               {strings.ReplaceAll(pemKey, "\n", "\n    ") + "next: line", "[REDACTED:private-key]\n    next: line"},
		"a key with headers":            {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\nMIIEow==\n-----END RSA PRIVATE KEY-----\n", "[REDACTED:private-key]\n"},
		"a key of PGP":                  {"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\nlQOYBF\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----", "[REDACTED:private-key]"},
		"a key without kind":            {"-----BEGIN PRIVATE KEY-----\nMIIEow\n-----END PRIVATE KEY-----", "[REDACTED:private-key]"},
		"a key in JSON":                 {`{"key":` + quoteJSON(pemKey) + `}`, `{"key":"[REDACTED:private-key]\n"}`},
		"a key in JSON in JSON":         {quoteJSON(quoteJSON(pemKey)), `"\"[REDACTED:private-key]\\n\""`},
		"a key's beginning":             {pemKey[:120], "[REDACTED:private-key]"},
		"a key's beginning, then words": {pemKey[:96] + "Done in 3 s.\n", "[REDACTED:private-key]\nDone in 3 s.\n"},
		"the first line of a key":       {"no -----BEGIN PRIVATE KEY----- found in it\n", "no [REDACTED:private-key] found in it\n"},
		"a certificate":                 {"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"},
		"a public key":                  {"-----BEGIN PUBLIC KEY-----\nMIIB\n", "-----BEGIN PUBLIC KEY-----\nMIIB\n"},
		"dashes":                        {strings.Repeat("-", 200) + "BEGIN\n", strings.Repeat("-", 200) + "BEGIN\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cleaned(t, New(), c.text); got != c.want {
				t.Errorf("%q\nwant %q", got, c.want)
			}
			r := New()
			r.DisableTokens()
			if got := cleaned(t, r, c.text); got != c.text {
				t.Errorf("tokens are to be kept: %q", got)
			}
		})
	}
}

func TestASecretThatIsAToken(t *testing.T) {
	const token = "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
	if got := cleaned(t, New(Secret{"GITHUB_TOKEN", token}), token+" "+token+"x"); got != "[REDACTED:GITHUB_TOKEN] [REDACTED:GITHUB_TOKEN]" {
		t.Errorf("%q", got)
	}
	if got := cleaned(t, New(Secret{"KEY", pemKey}), "<"+pemKey+">"); got != "<[REDACTED:KEY]\n>" {
		t.Errorf("%q", got)
	}
}

func TestAKeyWithoutEndDoesNotSwallowTheLog(t *testing.T) {
	text := "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("Word\n", 50_000)
	if got := New().String(text); len(got) < len(text)-maxKey-100 {
		t.Errorf("%d of %d bytes are left", len(got), len(text))
	}
	w := New().Writer(io.Discard)
	for range 60 {
		fmt.Fprint(w, "-----BEGIN PRIVATE KEY-----", strings.Repeat("\n", maxKey))
		fmt.Fprint(w, strings.Repeat("\n", 3*maxKey))
	}
	if len(w.text) > 2*maxKey {
		t.Errorf("%d bytes are held back for a key that is none", len(w.text))
	}
}

func quoteJSON(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
