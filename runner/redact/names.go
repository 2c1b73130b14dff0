package redact

import "strings"

// Names that end in one of words are of secrets, whatever comes before: PGPASSWORD, authToken. Those of
// separate ones count only as a word of their own, for a MONKEY is no key and a PATH no PAT.
var (
	words = []string{
		"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "PASSCODE", "CREDENTIAL", "CREDENTIALS",
		"APIKEY", "SECRETKEY", "ACCESSKEY", "PRIVATEKEY", "CONNECTIONSTRING", "TOKENS", "SECRETS", "PASSWORDS",
	}
	separate = []string{
		"KEY", "KEYS", "PASS", "PWD", "PAT", "CREDS", "JWT", "AUTH", "DSN", "WEBHOOK_URL", "CONNECTION_STRING",
		"SECRET_KEY_BASE",
	}
	harmless = []string{
		"PUBLIC_KEY", "PUBLIC_KEYS", "CACHE_KEY", "PRIMARY_KEY", "PARTITION_KEY", "SORT_KEY", "FOREIGN_KEY",
		"PUBLISHABLE_KEY",
	}
)

// IsSecretName reports whether a variable of that name holds a secret, in whatever case: *_TOKEN, *_SECRET,
// *_PASSWORD, *_PASSPHRASE, *_KEY, *_CREDENTIALS and their like and plurals, or one of these alone.
//
// Not: keys that are public or name a place (PUBLIC_KEY, CACHE_KEY, …), the id of a key (AWS_ACCESS_KEY_ID,
// RUNNER_SIGNING_KEY), which is what one looks a leak up by, and PWD, the working directory.
func IsSecretName(name string) bool {
	upper := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c == '-' || c == '.' || c == ' ':
			return '_'
		}
		return c
	}, name)
	switch upper {
	case "PWD", "OLDPWD", "RUNNER_SIGNING_KEY", "RUNNER_S3_KMS_KEY":
		return false
	}
	for _, word := range harmless {
		if endsInWord(upper, word) {
			return false
		}
	}
	for _, word := range words {
		if strings.HasSuffix(upper, word) {
			return true
		}
	}
	for _, word := range separate {
		if endsInWord(upper, word) {
			return true
		}
	}
	return false
}

func endsInWord(name, word string) bool {
	before, ok := strings.CutSuffix(name, word)
	return ok && (before == "" || strings.HasSuffix(before, "_"))
}
