package redact

import "encoding/base64"

const (
	jwtLeast = 8        // bytes of each part that is not the signature
	jwtMost  = 16 << 10 // bytes of a token; those of Kubernetes have 1,000, those with groups of people a few thousand
)

// jwtRules are for JSON Web Tokens: base64 of {"alg":…}, or of another parameter that a header begins with.
func jwtRules() []tokenRule {
	var rules []tokenRule
	for _, first := range "atkecjxzivbp" { // alg, typ, kid, enc, cty, jku, x5t, zip, iss, ver, b64, p2s
		prefix := base64.RawURLEncoding.EncodeToString([]byte(`{"` + string(first)))
		rules = append(rules, tokenRule{prefix, 0, "jwt", jwt})
	}
	return rules
}

// jwt finds a header, a payload and a signature, with dots between them; an encrypted token has five parts. One
// without a signature is no secret.
func jwt(text []byte, i int) (start, end int, open bool) {
	limit := min(len(text), i+jwtMost)
	var ends []int // of the parts
	for at := i; len(ends) < 5; at++ {
		at += runLength(text[at:limit], isURLBase64, limit)
		ends = append(ends, at)
		if at == limit || text[at] != '.' {
			break
		}
	}
	last := ends[len(ends)-1]
	open = last == len(text)
	for n := len(ends); n > 3 && ends[n-1] == ends[n-2]+1; n-- { // the dot is the end of a sentence
		ends = ends[:n-1]
	}
	switch n := len(ends); {
	case n < 3, ends[0]-i < jwtLeast, ends[n-1] == ends[n-2]+1, n == 3 && ends[1]-ends[0] <= jwtLeast:
		return i, i, open
	}
	return i, ends[len(ends)-1], open
}

func isURLBase64(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }
