// Package s3test tests and benchmarks the S3 store: with real S3 servers in buckets of their own, a proxy that injects
// faults, and a fast server that stores next to nothing.
package s3test

import (
	"net/http"
	"strings"
)

// Operation returns S3's name for a path-style request, e.g. "PutObject", with its bucket and key; "" for a request
// that is not S3's.
func Operation(r *http.Request) (operation, bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	for _, o := range operations {
		if o.method == r.Method && o.scope == scopeOf(bucket, key) &&
			(o.query == "" || query.Has(o.query)) && (o.header == "" || r.Header.Get(o.header) != "") {
			return o.name, bucket, key
		}
	}
	return "", bucket, key
}

type scope int

const (
	service scope = iota
	inBucket
	onObject
)

func scopeOf(bucket, key string) scope {
	switch {
	case key != "":
		return onObject
	case bucket != "":
		return inBucket
	}
	return service
}

// operations is searched from the top, so entries with a query or a header come before plain ones.
var operations = []struct {
	method, query, header string
	scope                 scope
	name                  string
}{
	{"PUT", "partNumber", "X-Amz-Copy-Source", onObject, "UploadPartCopy"},
	{"PUT", "partNumber", "", onObject, "UploadPart"},
	{"PUT", "tagging", "", onObject, "PutObjectTagging"},
	{"PUT", "", "X-Amz-Copy-Source", onObject, "CopyObject"},
	{"PUT", "", "", onObject, "PutObject"},
	{"GET", "uploadId", "", onObject, "ListParts"},
	{"GET", "attributes", "", onObject, "GetObjectAttributes"},
	{"GET", "tagging", "", onObject, "GetObjectTagging"},
	{"GET", "", "", onObject, "GetObject"},
	{"HEAD", "", "", onObject, "HeadObject"},
	{"POST", "uploads", "", onObject, "CreateMultipartUpload"},
	{"POST", "uploadId", "", onObject, "CompleteMultipartUpload"},
	{"DELETE", "uploadId", "", onObject, "AbortMultipartUpload"},
	{"DELETE", "", "", onObject, "DeleteObject"},
	{"POST", "delete", "", inBucket, "DeleteObjects"},
	{"GET", "list-type", "", inBucket, "ListObjectsV2"},
	{"GET", "uploads", "", inBucket, "ListMultipartUploads"},
	{"GET", "versions", "", inBucket, "ListObjectVersions"},
	{"GET", "location", "", inBucket, "GetBucketLocation"},
	{"GET", "versioning", "", inBucket, "GetBucketVersioning"},
	{"GET", "encryption", "", inBucket, "GetBucketEncryption"},
	{"GET", "policy", "", inBucket, "GetBucketPolicy"},
	{"GET", "object-lock", "", inBucket, "GetObjectLockConfiguration"},
	{"GET", "", "", inBucket, "ListObjects"},
	{"HEAD", "", "", inBucket, "HeadBucket"},
	{"PUT", "versioning", "", inBucket, "PutBucketVersioning"},
	{"PUT", "policy", "", inBucket, "PutBucketPolicy"},
	{"PUT", "", "", inBucket, "CreateBucket"},
	{"DELETE", "", "", inBucket, "DeleteBucket"},
	{"GET", "", "", service, "ListBuckets"},
}
