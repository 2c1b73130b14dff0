package s3test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestBucketsAreEmptyAndWritable(t *testing.T) {
	for _, b := range Buckets(t) {
		t.Run(b.Server, func(t *testing.T) {
			key := "builds/main/a b+c.txt"
			put, err := b.At(NewProxy(t, b.Endpoint)).Client().PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: &b.Name, Key: &key, Body: strings.NewReader("content"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := put.VersionId != nil; got != b.Versioned {
				t.Errorf("there is a version id: %t", got)
			}
			if keys := b.Keys(t); len(keys) != 1 || keys[0] != key {
				t.Errorf("keys: %q", keys)
			}
		})
	}
}
