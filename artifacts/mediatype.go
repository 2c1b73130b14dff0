package artifacts

import (
	"path"
	"strings"
)

// mediaType depends on the name only, by a table of our own: the system's table differs from image to image, and
// content sniffing misjudges source maps and coverage reports.
func mediaType(name string) string {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	for _, t := range mediaTypes {
		for e := range strings.FieldsSeq(t.extensions) {
			if e == ext {
				return t.mediaType
			}
		}
	}
	return "application/octet-stream"
}

var mediaTypes = [...]struct{ mediaType, extensions string }{
	{"text/html; charset=utf-8", "html htm"},
	{"text/javascript; charset=utf-8", "js mjs cjs"},
	{"text/css; charset=utf-8", "css"},
	{"application/json", "json map"},
	{"image/png", "png"},
	{"text/plain; charset=utf-8", "txt log lcov info out md5 sha256 ts tsx jsx ini conf"},
	{"application/xml", "xml xsl"},
	{"image/svg+xml", "svg"},
	{"font/woff2", "woff2"},
	{"font/woff", "woff"},
	{"font/ttf", "ttf"},
	{"font/otf", "otf"},
	{"image/jpeg", "jpg jpeg"},
	{"image/gif", "gif"},
	{"image/webp", "webp"},
	{"image/avif", "avif"},
	{"image/x-icon", "ico"},
	{"text/markdown; charset=utf-8", "md"},
	{"text/csv; charset=utf-8", "csv"},
	{"text/yaml; charset=utf-8", "yaml yml"},
	{"text/calendar; charset=utf-8", "ics"},
	{"application/manifest+json", "webmanifest"},
	{"application/ld+json", "jsonld"},
	{"application/x-ndjson", "jsonl ndjson"},
	{"application/rss+xml", "rss"},
	{"application/atom+xml", "atom"},
	{"application/wasm", "wasm"},
	{"application/pdf", "pdf"},
	{"application/gzip", "gz tgz"},
	{"application/zip", "zip"},
	{"application/zstd", "zst"},
	{"application/x-tar", "tar"},
	{"application/vnd.ms-fontobject", "eot"},
	{"audio/mpeg", "mp3"},
	{"audio/ogg", "ogg"},
	{"audio/wav", "wav"},
	{"video/mp4", "mp4"},
	{"video/webm", "webm"},
}

// MediaType returns the media type that a file of this name is stored with.
func MediaType(name string) string { return mediaType(name) }
