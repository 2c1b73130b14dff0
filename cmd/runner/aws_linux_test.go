package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// testConfig is for requests that a test makes itself.
func testConfig(a awstest.AWS) aws.Config {
	return aws.Config{
		Region: awstest.Region, BaseEndpoint: &a.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(
			"AKIAIOSFODNN7EXAMPLE",
			"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
			"",
		),
	}
}

func bucketClient(a awstest.AWS) *s3.Client {
	return s3.NewFromConfig(testConfig(a), func(o *s3.Options) { o.UsePathStyle = true })
}

// aws: creates a bucket for the artifacts and sets the variables of AWS.
func cmdAWS(ts *testscript.TestScript, _ bool, _ []string) {
	account, err := awstest.StartMoto()
	ts.Check(err)
	for _, entry := range account.Environment() {
		name, value, _ := strings.Cut(entry, "=")
		ts.Setenv(name, value)
	}
	bucket := "t-" + strings.ToLower(rand.Text())
	_, err = bucketClient(account).CreateBucket(context.Background(), &s3.CreateBucketInput{
		Bucket: &bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: awstest.Region},
	})
	ts.Check(err)
	ts.Setenv("BUCKET", bucket)
	ts.Setenv("ARTIFACT_BUCKET", "s3://"+bucket+"/team")
}

// secret NAME FILE: stores the file's text, without the newline at its end, in Secrets Manager. Its ARN is in $ARN.
func cmdSecret(ts *testscript.TestScript, _ bool, args []string) {
	account, err := awstest.StartMoto()
	ts.Check(err)
	value := strings.TrimSuffix(ts.ReadFile(args[1]), "\n")
	name := args[0] + "-" + strings.ToLower(rand.Text())
	out, err := secretsmanager.NewFromConfig(testConfig(account)).
		CreateSecret(context.Background(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
	ts.Check(err)
	ts.Setenv("ARN", *out.ARN)
	ts.Setenv("SECRET", name)
}

// ! leaks FILE OBJECT...: the file's text, without the newline at its end, is in no form in stdout, stderr or any
// object of the bucket. The objects must exist.
func cmdLeaks(ts *testscript.TestScript, neg bool, args []string) {
	if !neg {
		ts.Fatalf("usage: ! leaks file object...")
	}
	account, err := awstest.StartMoto()
	ts.Check(err)
	value := strings.TrimSuffix(ts.ReadFile(args[0]), "\n")
	texts := map[string]string{"stdout": ts.ReadFile("stdout"), "stderr": ts.ReadFile("stderr")}
	client, bucket := bucketClient(account), ts.Getenv("BUCKET")
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		ts.Check(err)
		for _, o := range page.Contents {
			got, err := client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			ts.Check(err)
			text, err := io.ReadAll(got.Body)
			ts.Check(err)
			if strings.HasSuffix(*o.Key, ".gz") {
				z, err := gzip.NewReader(bytes.NewReader(text))
				ts.Check(err)
				text, err = io.ReadAll(z)
				ts.Check(err)
			}
			texts[*o.Key] = string(text)
		}
	}
	for _, want := range args[1:] {
		found := false
		for name := range texts {
			found = found || strings.HasSuffix(name, want)
		}
		if !found {
			ts.Fatalf("there is no %s in the bucket", want)
		}
	}
	for form, text := range formsOf(value) {
		for name, in := range texts {
			if i := strings.Index(in, text); i >= 0 {
				ts.Fatalf("%s holds the secret as %s: …%q…", name, form, in[max(0, i-40):min(len(in), i+len(text)+40)])
			}
		}
	}
}

// formsOf lists encodings of a text. It is independent of the redactor.
func formsOf(v string) map[string]string {
	quoted, _ := json.Marshal(v)
	inJSON := string(quoted[1 : len(quoted)-1])
	twice, _ := json.Marshal(string(quoted))
	shell := strings.ReplaceAll(v, "'", `'\''`)
	raw := base64.RawStdEncoding
	return map[string]string{
		"itself":                 v,
		"base64":                 raw.EncodeToString([]byte(v))[:len(v)],
		"base64 of a part":       raw.EncodeToString([]byte(v[1:]))[:len(v)-4],
		"base64 of another part": raw.EncodeToString([]byte(v[2:]))[:len(v)-4],
		"base64url":              base64.RawURLEncoding.EncodeToString([]byte(v))[:len(v)],
		"hex":                    hex.EncodeToString([]byte(v)),
		"HEX":                    strings.ToUpper(hex.EncodeToString([]byte(v))),
		"URL":                    url.QueryEscape(v),
		"URL with %20":           strings.ReplaceAll(url.QueryEscape(v), "+", "%20"),
		"JSON":                   inJSON,
		"JSON in JSON":           string(twice[3 : len(twice)-3]),
		"HTML":                   html.EscapeString(v),
		"shell":                  shell,
	}
}
