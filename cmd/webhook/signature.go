package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// parseSignature decodes X-Hub-Signature-256, or returns what is wrong with it, for GitHub to show.
func parseSignature(headers map[string]string) (signature []byte, problem string) {
	value, ok := headers["x-hub-signature-256"]
	if !ok {
		if _, old := headers["x-hub-signature"]; old {
			return nil, "X-Hub-Signature (SHA-1) alone is not accepted: X-Hub-Signature-256 is missing"
		}
		return nil, "X-Hub-Signature-256 is missing: give the webhook a secret"
	}
	digits, ok := strings.CutPrefix(value, "sha256=")
	if !ok || len(digits) != hex.EncodedLen(sha256.Size) {
		return nil, "X-Hub-Signature-256 is not sha256= and 64 hexadecimal digits"
	}
	signature, err := hex.DecodeString(digits)
	if err != nil {
		return nil, "X-Hub-Signature-256 is not sha256= and 64 hexadecimal digits"
	}
	return signature, ""
}

// matches compares in constant time.
func matches(key, body, signature []byte) bool {
	sum := hmac.New(sha256.New, key)
	sum.Write(body)
	return hmac.Equal(sum.Sum(nil), signature)
}
