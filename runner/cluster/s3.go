package cluster

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// s3 sends a request to S3 and reads the response into output, unless that is nil. The error is one of package awsjson.
func (a *Account) s3(ctx context.Context, method, path string, body []byte, output any) error {
	client, err := awsjson.New(ctx, a.config, awsjson.Service{Name: "s3", ID: "S3"})
	if err != nil {
		return err
	}
	hash, checksum := sha256.Sum256(body), md5.Sum(body)
	header := map[string]string{"X-Amz-Content-Sha256": hex.EncodeToString(hash[:])}
	if body != nil {
		header["Content-MD5"] = base64.StdEncoding.EncodeToString(checksum[:])
	}
	return client.Send(ctx, awsjson.Request{
		Method: method, Path: path, Header: header, Body: body,
		Read: func(response *http.Response, text []byte) error {
			switch {
			case response.StatusCode >= http.StatusMultipleChoices:
				e := &awsjson.APIError{Status: response.StatusCode}
				_ = xml.Unmarshal(text, e)
				return e
			case output == nil:
				return nil
			}
			return xml.Unmarshal(text, output)
		},
	})
}

// version is a version of an object, or a delete marker.
type version struct{ Key, VersionId string }

// removeBucket deletes a bucket with all versions of all objects.
func (a *Account) removeBucket(ctx context.Context, bucket string, note func(string)) error {
	for removed := 0; ; {
		var page struct {
			Version, DeleteMarker []version
		}
		err := a.s3(ctx, http.MethodGet, "/"+bucket+"?max-keys=1000&versions=", nil, &page)
		if awsjson.HasCode(err, "NoSuchBucket") {
			return nil
		}
		if err != nil {
			return requestError(ctx, "s3:ListBucketVersions", bucket, err)
		}
		all := append(page.Version, page.DeleteMarker...)
		if len(all) == 0 {
			break
		}
		if err := a.removeVersions(ctx, bucket, all); err != nil {
			return err
		}
		removed += len(all)
		note(fmt.Sprintf("deleted %d versions of objects in %s", removed, bucket))
	}
	if err := a.s3(ctx, http.MethodDelete, "/"+bucket, nil, nil); err != nil {
		return requestError(ctx, "s3:DeleteBucket", bucket, err)
	}
	return nil
}

// removeVersions deletes up to 1,000 versions.
func (a *Account) removeVersions(ctx context.Context, bucket string, versions []version) error {
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Delete"`
		Object  []version
		Quiet   bool
	}{Object: versions, Quiet: true})
	if err != nil {
		return err
	}
	var result struct {
		Error []struct{ Key, Code, Message string }
	}
	if err := a.s3(ctx, http.MethodPost, "/"+bucket+"?delete=", body, &result); err != nil {
		return requestError(ctx, "s3:DeleteObjectVersion", bucket, err)
	}
	if len(result.Error) > 0 {
		e := result.Error[0]
		return &Error{
			Message: fmt.Sprintf("%s in %s could not be deleted: %s: %s", e.Key, bucket, e.Code, e.Message),
			Advice:  "allow s3:DeleteObjectVersion; a retention of the object has to end first",
		}
	}
	return nil
}
