package redact

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// pemKey is of the shape of a key, and none.
const pemKey = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIExampleExampleExampleExampleExampleExampleExampleoAoGCC
qGSM49AwEHoUQDQgAExampleExampleExampleExampleExampleExampleExamp
leExampleExampleExampleQ==
-----END EC PRIVATE KEY-----
`

func TestWhatCountsAsTheSecret(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(pemKey), "\n")
	quoted, _ := json.Marshal(pemKey)
	var counted string
	for i := range 300 {
		counted += strconv.Itoa(i) + "/"
	}
	long := strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz-ü", 50)
	inBase64 := base64.StdEncoding.EncodeToString([]byte("<" + long + ">"))
	for name, c := range map[string]struct{ value, text, want string }{
		"the lines of a key":              {pemKey, "key:\r\n  " + lines[1] + "\r\n  " + lines[3] + "\n", "key:\r\n  [REDACTED:S]\r\n  [REDACTED:S]\n"},
		"but not what every key has":      {pemKey, lines[0] + "\n", lines[0] + "\n"},
		"a key as a whole":                {pemKey, "<" + pemKey + ">", "<[REDACTED:S]\n>"},
		"a key with Windows' line ends":   {pemKey, "<" + strings.ReplaceAll(pemKey, "\n", "\r\n") + ">", "<[REDACTED:S]\r\n>"},
		"a key, unquoted in a shell":      {pemKey, "<" + strings.ReplaceAll(pemKey, "\n", " ") + ">", "<[REDACTED:S] >"},
		"a key on one line":               {pemKey, lines[1] + lines[2] + lines[3] + "\n", "[REDACTED:S][REDACTED:S][REDACTED:S]\n"},
		`a key with \n in its value`:      {strings.ReplaceAll(pemKey, "\n", `\n`), lines[1] + "\n" + lines[2], "[REDACTED:S]\n[REDACTED:S]"},
		"a key in JSON":                   {pemKey, `{"key":` + string(quoted) + `}`, `{"key":"[REDACTED:S]\n"}`},
		"a key in a JSON secret":          {`{"private_key":` + string(quoted) + `,"id":"0000"}`, lines[2] + " 0000", "[REDACTED:S] 0000"},
		"the strings of a JSON secret":    {`{"user":"admin-user","password":"hunter2hunter2","port":5432,"tls":true,"more":[{"token":"deep-inside"}]}`, `{ hunter2hunter2 5432 true user "deep-inside" password }`, `{ [REDACTED:S] 5432 true user "[REDACTED:S]" password }`},
		"an escaped string of JSON":       {`{"password":"a\"b\\c\u0026def"}`, `a"b\c&def a\"b\\c\u0026def`, `[REDACTED:S] [REDACTED:S]`},
		"the whole of a JSON secret":      {`{"password":"hunter2"}`, `x {"password":"hunter2"} y`, `x [REDACTED:S] y`},
		"what is nearly JSON":             {`{"password":"hunter2"`, `x {"password":"hunter2" y hunter2`, `x [REDACTED:S] y hunter2`},
		"the password of a URL":           {"postgres://me:p%40ss-word@db.example.com/app", "p@ss-word p%40ss-word", "[REDACTED:S] [REDACTED:S]"},
		"a URL":                           {"postgres://me:p%40ss-word@db.example.com/app", "postgres://me:p%40ss-word@db.example.com/app db.example.com", "[REDACTED:S] db.example.com"},
		"a long one":                      {long, "<" + long + ">", "<[REDACTED:S]>"},
		"a long one, in base64":           {long, "<" + base64.StdEncoding.EncodeToString([]byte(long)) + ">", "<[REDACTED:S]>"},
		"a long one within base64":        {long, inBase64, inBase64[:2] + "[REDACTED:S]" + inBase64[8*(1+len(long))/6:]},
		"a part of a long one":            {counted, "<" + counted[:400] + ">", "<[REDACTED:S]" + counted[381:400] + ">"},
		"lines that are common, not":      {"first-line\ntrue\n}\nproduction\nlast-line", "true } production first-line", "true } production [REDACTED:S]"},
		"an empty line, as anywhere else": {"first-line\n\n\nlast-line", "a\n\nb", "a\n\nb"},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Secret{"S", c.value})
			r.DisableTokens()
			if got := cleaned(t, r, c.text); got != c.want {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

func TestIsSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"NPM_TOKEN": true, "GITHUB_TOKEN": true, "npm_token": true, "Npm-Token": true, "authToken": true, "NPM_CONFIG__AUTH": true, "TOKEN": true, "REFRESH_TOKENS": true,
		"AWS_SECRET_ACCESS_KEY": true, "AWS_SESSION_TOKEN": true, "API_KEY": true, "apiKey": true, "KEY": true, "SSH_PRIVATE_KEY": true, "KEYS": true,
		"DB_PASSWORD": true, "PASSWORD": true, "PGPASSWORD": true, "DB_PASSWD": true, "DB_PWD": true, "SMTP_PASS": true, "GPG_PASSPHRASE": true,
		"CLIENT_SECRET": true, "CLIENT_SECRETS": true, "SECRET": true, "SECRET_KEY_BASE": true, "GOOGLE_CREDENTIALS": true, "GH_PAT": true,
		"SENTRY_DSN": true, "SLACK_WEBHOOK_URL": true, "AZURE_STORAGE_CONNECTION_STRING": true,

		"AWS_ACCESS_KEY_ID": false, "PUBLIC_KEY": false, "STRIPE_PUBLISHABLE_KEY": false, "CACHE_KEY": false, "PWD": false, "OLDPWD": false, "SSH_AUTH_SOCK": false,
		"RUNNER_SIGNING_KEY": false, "SIGNING_KEY": true, "RUNNER_S3_KMS_KEY": false,
		"TOKENIZER": false, "MONKEY": false, "SECRET_FILE": false, "GOOGLE_CREDENTIALS_PATH": false, "PATH": false, "COMPASS": false, "AUTHOR": false, "": false,
	} {
		if got := IsSecretName(name); got != want {
			t.Errorf("%q is secret: %v", name, got)
		}
	}
}
