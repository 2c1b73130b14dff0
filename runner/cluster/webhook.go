package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

// Zip is the webhook's function.
type Zip struct {
	Path   string
	Source string // for people: where it comes from

	temporary bool
}

// webhookFolder is where the zip is in the bucket of the base.
const webhookFolder = "webhook"

// key returns the key under which the zip is stored. A zip with other bytes has another one, so that CloudFormation
// notices it.
func (z *Zip) key() (string, error) {
	content, err := os.ReadFile(z.Path)
	if err != nil {
		return "", &Error{Message: "the webhook's zip cannot be read", Err: err, Advice: "make webhook makes it: --webhook-zip bin/webhook.zip"}
	}
	sum := sha256.Sum256(content)
	return contentKey(webhookFolder, ".zip", sum[:]), nil
}

// contentKey is a key for content, by its SHA-256.
func contentKey(folder, extension string, sum []byte) string {
	return folder + "/" + hex.EncodeToString(sum[:16]) + extension
}

// webhookParameters adds what connects the webhook to the pipeline.
func (d *Deployment) webhookParameters(set map[string]string, outputs map[string]map[string]string) error {
	setUnlessEmpty(set, "AlarmTopicArn", outputs[d.Settings.Stack]["TopicArn"])
	if d.Settings.Zip == nil {
		return nil
	}
	key, err := d.Settings.Zip.key()
	setUnlessEmpty(set, "LambdaS3Bucket", outputs[d.Settings.Base]["TemplateBucket"])
	set["LambdaS3Key"] = key
	return err
}

// uploadZip uploads the webhook's function, before the stack that names it.
func (d *Deployment) uploadZip(ctx context.Context, bucket string) error {
	zip, err := os.Open(d.Settings.Zip.Path)
	if err != nil {
		return err
	}
	defer zip.Close()
	key, err := d.Account.upload(ctx, bucket, webhookFolder, ".zip", zip)
	if err == nil {
		d.note(fmt.Sprintf("uploaded the webhook (%s) to s3://%s/%s", d.Settings.Zip.Source, bucket, key))
	}
	return err
}
