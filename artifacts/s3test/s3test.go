// Package s3test is what the S3 store is tested and measured with: real S3 servers in buckets of a test's own, a proxy
// that misbehaves between the store and them, and a server that does nothing, quickly.
package s3test

import (
	"net/http"
	"strings"
)

// Operation is S3's name for what a path-style request asks for, e.g. "PutObject", with the bucket and the key it
// asks it of; it is "" for a request that is none of S3's.
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

// operations is searched from the top, so those with a query or a header come before the plain one.
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
