package redact

import (
	"strings"
	"testing"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: production-eu
clusters:
- name: default
  cluster:
    server: https://k8s.example.com:6443
    certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJkekNDQVIyZ0F3SUJBZ0lC
users:
- name: default
  user:
    token: eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJpc3MiOiJrdWJl # expires
    password: "correct horse"
`

// Of each file, what has to go wherever it is, and lines and words that other texts have, too, and that have to stay.
func TestWhichLinesOfASecretAreSecret(t *testing.T) {
	for name, c := range map[string]struct {
		value       string
		gone, stays []string
	}{
		"a kubeconfig": {
			kubeconfig,
			[]string{"eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJpc3MiOiJrdWJl", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJkekNDQVIyZ0F3SUJBZ0lC", "correct horse"},
			[]string{"apiVersion: v1", "kind: Config", "Config", "- name: default", "name: default", "production-eu", "server: https://k8s.example.com:6443", "clusters:", "cluster:"},
		},
		"a kubeconfig with \\n between its lines": {
			strings.ReplaceAll(kubeconfig, "\n", `\n`),
			[]string{"eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJpc3MiOiJrdWJl", "correct horse"},
			[]string{"apiVersion: v1", "name: default"},
		},
		"a key": {
			pemKey,
			strings.Split(pemKey, "\n")[1:4],
			[]string{"-----BEGIN CERTIFICATE-----", "-----END EC PRIVATE KEY-----", "-----BEGIN EC"},
		},
		"a key in YAML": {
			"key: |\n  " + strings.ReplaceAll(pemKey, "\n", "\n  ") + "\nport: 5432\n",
			strings.Split(pemKey, "\n")[1:4],
			[]string{"key: |", "port: 5432", "-----END EC PRIVATE KEY-----"},
		},
		"a key with headers": {
			"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B2C3D4E5F6A7B\n\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n",
			[]string{"MIIEowIBAAKCAQEA"},
			[]string{"Proc-Type: 4,ENCRYPTED", "-----END RSA PRIVATE KEY-----"},
		},
		"AWS's credentials": {
			"[default]\nregion = eu-west-1\noutput = json\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
			[]string{"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
			[]string{"[default]", "region = eu-west-1", "output = json", "eu-west-1"},
		},
		"an .env": {
			"NODE_ENV=production\nPORT=3000\nexport DB_PASSWORD='swordfish'\nSESSION=b7f3a91c\nSALT=QwErTyUiOp\nDATABASE_URL=postgres://me:fishsword@db.example.com/app\nDEBUG=true\n",
			[]string{"swordfish", "b7f3a91c", "QwErTyUiOp", "fishsword", "postgres://me:fishsword@db.example.com/app"},
			[]string{"NODE_ENV=production", "PORT=3000", "DEBUG=true", "db.example.com"},
		},
		"an .npmrc": {
			"registry=https://packages.example.com/\nalways-auth=true\n//packages.example.com/:_authToken=abcdefgh-token\n//npm.example.com/:_password=cGFzc3dvcmQ=\n",
			[]string{"abcdefgh-token", "cGFzc3dvcmQ="},
			[]string{"registry=https://packages.example.com/", "always-auth=true", "//packages.example.com/:_authToken"},
		},
		"a .netrc": {
			"machine api.example.com login deploy password swordfish\nmachine git.example.com\n  login robot-one\n  password fishsword\ndefault login anonymous password horsefish\n",
			[]string{"swordfish", "fishsword", "horsefish"},
			[]string{"machine api.example.com", "git.example.com", "login robot-one", "anonymous", "default"},
		},
		"Git's credentials": {
			"https://robot:swordfish@git.example.com\nhttps://other:x=fishsword@git.example.org\n",
			[]string{"swordfish", "x=fishsword", "https://robot:swordfish@git.example.com"},
			[]string{"git.example.com", "robot"},
		},
		"JSON that is cut off": {
			"{\n  \"type\": \"service_account\",\n  \"project\": \"my-project\",\n  \"client_secret\": \"swordfish\",\n  \"id\":\"b7f3a91c\",\n",
			[]string{"swordfish", "b7f3a91c"},
			[]string{`"type": "service_account",`, `"project": "my-project",`, "my-project", "{"},
		},
		"Maven's settings": {
			"<settings>\n  <servers>\n    <server>\n      <id>nexus-releases</id>\n      <password>swordfish</password>\n      <passphrase>{b7f3a91c+}</passphrase>\n    </server>\n  </servers>\n</settings>\n",
			[]string{"swordfish", "{b7f3a91c+}"},
			[]string{"<settings>", "</server>", "<id>nexus-releases</id>"},
		},
		"a flow of YAML, a list": {
			"{ user: robot-one, }\n{token: swordfish}\ncodes:\n- b7f3a91c\n- ordinary\n- [ab12cd34]\n",
			[]string{"swordfish", "b7f3a91c", "[ab12cd34]"},
			[]string{"robot-one", "codes:", "- ordinary", "ordinary"},
		},
		"passwords, a line each": {
			"swordfish\n#fishsword1\ncorrect horse battery staple\nname of: nothing plain 7a8b9c0d\n",
			[]string{"swordfish", "#fishsword1", "correct horse battery staple", "name of: nothing plain 7a8b9c0d"},
			[]string{"correct", "battery"},
		},
		"a phrase, a licence, a comment": {
			"# Written by hand, do not change\n#cloud-config\nphrase: correct horse battery staple\nlicence: AB1-CD2-EF3\nnumber: 1234567890\n",
			[]string{"correct horse battery staple", "AB1-CD2-EF3"},
			[]string{"# Written by hand, do not change", "#cloud-config", "number: 1234567890"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Secret{"S", c.value})
			r.DisableTokens()
			for _, text := range c.gone {
				if got := cleaned(t, r, "<"+text+">"); got != "<[REDACTED:S]>" {
					t.Errorf("%q became %q", text, got)
				}
			}
			for _, text := range c.stays {
				if got := cleaned(t, r, "<"+text+">"); got != "<"+text+">" {
					t.Errorf("%q became %q", text, got)
				}
			}
			whole := strings.TrimSpace(c.value)
			for _, text := range []string{whole, strings.ReplaceAll(whole, "\n", "\r\n"), strings.ReplaceAll(whole, "\n", " ")} {
				if got := cleaned(t, r, "<"+text+">"); got != "<[REDACTED:S]>" {
					t.Errorf("the whole became %q", got)
				}
			}
		})
	}
}

func TestFieldsThatAreTooShortAreNamed(t *testing.T) {
	r := New(Secret{"FILE", "user: me\npassword: abc\ntoken: null\nsecrets: {}\nkeys:\n  key: |\n    swordfish\n"})
	if got := strings.Join(r.Unredacted(), " "); got != "FILE.password" {
		t.Errorf("%q", got)
	}
}

// Whatever lines a secret has: as a whole it goes, and what it is cut into is there.
func FuzzLines(f *testing.F) {
	f.Add(kubeconfig)
	f.Add(pemKey)
	f.Add("machine a login b password swordfish\ndefault\n")
	f.Add("{\"a\":\n- \"b\": '=\n<a>swordfish</a>\nexport =\n- =\n: \n[\n#")
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > 600 {
			return
		}
		r := New(Secret{"S", value})
		values, _ := valuesOf(Secret{"S", value})
		for _, v := range values {
			unix := strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", "\r", "\n")
			if inside := unix.Replace(value); !strings.Contains(inside, unix.Replace(v)) &&
				!strings.Contains(inside, "{") &&
				!strings.Contains(inside, "[") &&
				!strings.Contains(inside, "%") {
				t.Errorf("%q is not in %q", v, value)
			}
			if got := r.String(v); strings.Contains(got, v) && !strings.Contains("[REDACTED:S]", v) {
				t.Errorf("%q is left in %q", v, got)
			}
		}
	})
}
