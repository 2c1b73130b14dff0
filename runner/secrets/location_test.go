package secrets

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/reference"
)

func TestAllFormsOfReferencesAreParsed(t *testing.T) {
	const account = "123456789012"
	sm := func(region, id, stage, version string) item {
		return item{kind: reference.SecretsManager, region: region, id: id, stage: stage, version: version}
	}
	ps := func(region, id, version string, path bool) item {
		return item{kind: reference.ParameterStore, region: region, id: id, version: version, path: path}
	}
	const secret = "arn:aws:secretsmanager:eu-west-1:" + account + ":secret:"
	const param = "arn:aws:ssm:eu-west-1:" + account + ":parameter"
	for text, want := range map[string]location{
		secret + "ci/npm-AbCdEf": {
			item: sm("eu-west-1", secret+"ci/npm-AbCdEf", "", ""), account: account,
		},
		secret + "ci/npm": {
			item: sm("eu-west-1", secret+"ci/npm", "", ""), account: account,
		},
		secret + "ci/npm-AbCdEf:token": {
			item: sm("eu-west-1", secret+"ci/npm-AbCdEf", "", ""), account: account, key: "token",
		},
		secret + "ci/npm-AbCdEf:token::": {
			item: sm("eu-west-1", secret+"ci/npm-AbCdEf", "", ""), account: account, key: "token",
		},
		secret + "ci/npm-AbCdEf:::": {
			item: sm("eu-west-1", secret+"ci/npm-AbCdEf", "", ""), account: account,
		},
		secret + "ci/npm-AbCdEf::AWSPREVIOUS:": {
			item: sm("eu-west-1", secret+"ci/npm-AbCdEf", "AWSPREVIOUS", ""), account: account,
		},
		secret + "ci/npm-AbCdEf:::9d4cb84b-ad69-40c0-a0ab-cead3": {
			item: sm("eu-west-1", secret+"ci/npm-AbCdEf", "", "9d4cb84b-ad69-40c0-a0ab-cead3"), account: account,
		},
		secret + "ci/npm-AbCdEf:token:AWSPREVIOUS:9d4cb84b": {
			item: sm("eu-west-1", secret+"ci/npm-AbCdEf", "AWSPREVIOUS", "9d4cb84b"), account: account, key: "token",
		},
		secret + "ci+x=y.z@1_2:a key.with-all~sorts": {
			item: sm("eu-west-1", secret+"ci+x=y.z@1_2", "", ""), account: account, key: "a key.with-all~sorts",
		},

		"arn:aws-cn:secretsmanager:cn-north-1:" + account + ":secret:a:k::": {
			item:    sm("cn-north-1", "arn:aws-cn:secretsmanager:cn-north-1:"+account+":secret:a", "", ""),
			account: account, key: "k",
		},
		"arn:aws-us-gov:secretsmanager:us-gov-west-1:" + account + ":secret:a": {
			item:    sm("us-gov-west-1", "arn:aws-us-gov:secretsmanager:us-gov-west-1:"+account+":secret:a", "", ""),
			account: account,
		},
		"arn:aws-iso-b:ssm:us-isob-east-1:" + account + ":parameter/a": {
			item:    ps("us-isob-east-1", "arn:aws-iso-b:ssm:us-isob-east-1:"+account+":parameter/a", "", false),
			account: account,
		},
		"arn:aws-cn:ssm:cn-northwest-1:" + account + ":parameter/a/b:prod": {
			item:    ps("cn-northwest-1", "arn:aws-cn:ssm:cn-northwest-1:"+account+":parameter/a/b", "prod", false),
			account: account,
		},
		"arn:aws-us-gov:ssm:us-gov-east-1:" + account + ":parameter/ci/app/*": {
			item: ps("us-gov-east-1", "/ci/app", "", true), account: account,
		},
		"secretsmanager:ci/npm":                    {item: sm("", "ci/npm", "", "")},
		"secretsmanager:ci/npm:":                   {item: sm("", "ci/npm", "", "")},
		"secretsmanager:ci/npm:token":              {item: sm("", "ci/npm", "", ""), key: "token"},
		"secretsmanager:ci/npm:token:AWSPENDING":   {item: sm("", "ci/npm", "AWSPENDING", ""), key: "token"},
		"secretsmanager:ci/npm::AWSPENDING":        {item: sm("", "ci/npm", "AWSPENDING", "")},
		"secretsmanager:ci/npm:token:AWSPENDING:1": {item: sm("", "ci/npm", "AWSPENDING", "1"), key: "token"},
		param + "/ci/npm": {
			item: ps("eu-west-1", param+"/ci/npm", "", false), account: account,
		},
		param + "/ci/npm:3": {
			item: ps("eu-west-1", param+"/ci/npm", "3", false), account: account,
		},
		param + "/npm":                         {item: ps("eu-west-1", param+"/npm", "", false), account: account},
		param + "/ci/*":                        {item: ps("eu-west-1", "/ci", "", true), account: account},
		"ssm:/ci/npm":                          {item: ps("", "/ci/npm", "", false)},
		"ssm:/ci/npm:7":                        {item: ps("", "/ci/npm", "7", false)},
		"ssm:/ci/npm:production_1.2-a":         {item: ps("", "/ci/npm", "production_1.2-a", false)},
		"ssm:/aws/reference/secretsmanager/ci": {item: ps("", "/aws/reference/secretsmanager/ci", "", false)},
		"ssm:/ci/*":                            {item: ps("", "/ci", "", true)},
		"ssm:/*":                               {item: ps("", "/", "", true)},
	} {
		r, ok := reference.Parse(text, false)
		if !ok {
			t.Errorf("%s is not a reference", text)
			continue
		}
		got, err := parse(r)
		got.origin = ""
		if err != nil || got != want {
			t.Errorf("%s\nis  %+v, %v\nnot %+v", text, got, err, want)
		}
	}
}

func TestInvalidReferencesAreRefusedWithTheValidForm(t *testing.T) {
	for text, want := range map[string]string{
		"secretsmanager:":                                            `"" is not a valid name of a secret`,
		"secretsmanager::token":                                      `"" is not a valid name of a secret`,
		"secretsmanager:a b":                                         `"a b" is not a valid name of a secret`,
		"secretsmanager:a:b:c:d:e":                                   "4 parts follow the secret's name",
		"secretsmanager:a:b:c:d:":                                    "4 parts follow the secret's name",
		"secretsmanager:" + strings.Repeat("x", 513):                 "is not a valid name of a secret",
		"arn:aws:secretsmanager::123456789012:secret:a":              "has no region",
		"arn:aws:secretsmanager:eu-west-1::secret:a":                 "no account",
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:":      `"" is not a valid name of a secret`,
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:a::::": "4 parts follow",
		"arn:aws:ssm:eu-west-1:123456789012:parameter/":              "so it is a path",
		"arn:aws:ssm:eu-west-1:123456789012:parameter/a:":            `"" is neither a version nor a label`,
		"ssm:/":      "so it is a path",
		"ssm:/a/":    "so it is a path",
		"ssm:/a//b":  `"/a//b" is not a valid name of a parameter`,
		"ssm:/a//*":  `"/a/" is not a valid name of a parameter`,
		"ssm:/a b":   `"/a b" is not a valid name of a parameter`,
		"ssm:/a:1:2": `"1:2" is neither a version nor a label`,
		"ssm:/a:":    `"" is neither a version nor a label`,
		"ssm:/a/*:1": `"/a/*" is not a valid name of a parameter`,
		"ssm:/a/*/b": `"/a/*/b" is not a valid name of a parameter`,
		"ssm:/a*":    `"/a*" is not a valid name of a parameter`,
	} {
		r, ok := reference.Parse(text, false)
		if !ok {
			t.Errorf("%s is taken for a value, and would be passed on as one", text)
			continue
		}
		_, err := parse(r)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
			continue
		}
		if p, ok := err.(*problem); !ok || p.advice == "" {
			t.Errorf("%s: there is no advice", text)
		}
	}
}

func TestInvalidARNsDoNotPanic(t *testing.T) {
	for _, text := range []string{"", "arn:", "arn:aws", "arn:aws:ssm:::", ":::::::", "arn:aws:ssm:r:a:x"} {
		for _, kind := range []reference.Kind{reference.SecretsManager, reference.ParameterStore} {
			if p, err := parse(reference.Reference{Kind: kind, Text: text}); err == nil && p.id == "" {
				t.Errorf("%q is a location without a name", text)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:ci/npm-AbCdEf:token:AWSCURRENT:1",
		"arn:aws:ssm:eu-west-1:1:parameter/a/*",
		"secretsmanager:a:b:c:d", "ssm:/a/b:3", "ssm:/a/*", "ssm:/*", "ssm:/0//*", "file:x",
		"arn:aws:ssm:::parameter/", "secretsmanager::::",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, secretName bool) {
		r, ok := reference.Parse(text, secretName)
		if !ok {
			return
		}
		if r.Kind == reference.File {
			if !secretName || "file:"+r.Text != text {
				t.Fatalf("%q became the file %q", text, r.Text)
			}
			return
		}
		if r.Text != text {
			t.Fatalf("%q became %q", text, r.Text)
		}
		p, err := parse(r)
		if err != nil {
			return
		}
		if p.id == "" || p.name() == "" || strings.ContainsAny(p.name(), ":* \n\x00") || p.path && p.version != "" {
			t.Fatalf("%q became %+v", text, p)
		}
		// Written out again it is the same place.
		again := "secretsmanager:" + p.id + ":" + p.key + ":" + p.stage + ":" + p.version
		switch {
		case p.kind == reference.ParameterStore && p.path && p.account != "":
			return
		case p.kind == reference.ParameterStore && p.path:
			again = "ssm:" + strings.TrimSuffix(p.id, "/") + "/*"
		case p.kind == reference.ParameterStore && p.account != "":
			again = p.selector()
		case p.kind == reference.ParameterStore:
			again = "ssm:" + p.selector()
		case p.account != "":
			again = p.id + ":" + p.key + ":" + p.stage + ":" + p.version
		}
		r, ok = reference.Parse(again, secretName)
		q, err := parse(r)
		if !ok || err != nil || q != p {
			t.Fatalf("%q is %+v, but %q is %+v, %v", text, p, again, q, err)
		}
	})
}
