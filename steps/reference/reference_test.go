package reference

import "testing"

func TestParse(t *testing.T) {
	for value, want := range map[string]Kind{
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:ci/npm-AbCdEf:token::": SecretsManager,
		"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x":                 SecretsManager,
		"arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x":          SecretsManager,
		"arn:aws:ssm:eu-west-1:123456789012:parameter/ci/npm":                        ParameterStore,
		"arn:aws-iso-b:ssm:us-isob-east-1:123456789012:parameter/ci/npm":             ParameterStore,
		"secretsmanager:ci/npm:token":                                                SecretsManager,
		"ssm:/ci/npm":                                                                ParameterStore,
		"ssm:/ci/*":                                                                  ParameterStore,
		"file:/run/secrets/npm":                                                      File,
		"arn:aws:s3:::bucket":                                                        "",
		"arn:aws:iam::123456789012:role/secretsmanager":                              "",
		"arn:aws:ssm:eu-west-1:123456789012:document/x":                              "",
		"ssm:relative": "",
		"plain":        "",
		"":             "",
	} {
		if got, ok := Parse(value, true); got.Kind != want || ok != (want != "") {
			t.Errorf("Parse(%q) has kind %q, want %q", value, got.Kind, want)
		}
	}
	if got, _ := Parse("file:/run/secrets/npm", true); got.Text != "/run/secrets/npm" {
		t.Errorf("the path of a file is %q", got.Text)
	}
}

func TestAFileIsAReferenceOnlyInAVariableNamedLikeASecret(t *testing.T) {
	if _, ok := Parse("file:./dev.db", false); ok {
		t.Error("DATABASE_URL=file:./dev.db was parsed as a reference")
	}
}

func TestIsPath(t *testing.T) {
	for value, want := range map[string]bool{"ssm:/ci/*": true, "ssm:/ci": false, "secretsmanager:ci/*": false, "file:/ci/*": false} {
		if r, _ := Parse(value, true); r.IsPath() != want {
			t.Errorf("IsPath of %q is %v", value, !want)
		}
	}
}
