package main

import (
	"context"
	"encoding/pem"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// kms SPEC FILE: makes a key in KMS, sets RUNNER_SIGNING_KEY and the variables of AWS, and writes its public key.
func cmdKMS(ts *testscript.TestScript, _ bool, args []string) {
	server, err := sharedCluster()
	ts.Check(err)
	for _, entry := range server.Environment() {
		name, value, _ := strings.Cut(entry, "=")
		ts.Setenv(name, value)
	}
	client, err := awsjson.New(
		context.Background(), server.Config(), awsjson.Service{Name: "kms", ID: "KMS", Target: "TrentService"},
	)
	ts.Check(err)
	var made struct{ KeyMetadata struct{ Arn string } }
	ts.Check(client.Call(
		context.Background(), "CreateKey", map[string]string{"KeyUsage": "SIGN_VERIFY", "KeySpec": args[0]}, &made,
	))
	arn := made.KeyMetadata.Arn
	var found struct{ PublicKey []byte }
	ts.Check(client.Call(context.Background(), "GetPublicKey", map[string]string{"KeyId": arn}, &found))
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: found.PublicKey})
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
	ts.Setenv("RUNNER_SIGNING_KEY", arn)
}
