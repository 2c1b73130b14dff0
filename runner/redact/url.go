package redact

import (
	"net/url"
	"slices"
	"strings"
)

// URLPasswords returns the passwords in the URLs of a text that can be redacted, as they are written there and
// decoded.
func URLPasswords(text string) []string { return slices.DeleteFunc(urlPasswords(text), trivial) }

// urlPasswords leaves out a password that is the name of the user or of the scheme, as in
// postgres://postgres:postgres@localhost: to redact that word would make logs unreadable and protect nothing.
func urlPasswords(text string) []string {
	var found []string
	for {
		before, rest, ok := strings.Cut(text, "://")
		if !ok {
			return found
		}
		text = rest
		scheme := before[strings.LastIndexFunc(before, isNotOfScheme)+1:]
		user, password := userInfo(rest)
		if scheme == "" || password == "" || strings.EqualFold(password, user) || strings.EqualFold(password, scheme) {
			continue
		}
		found = append(found, password)
		if decoded, err := url.PathUnescape(password); err == nil && decoded != password {
			found = append(found, decoded)
		}
	}
}

func isNotOfScheme(c rune) bool { return !isAlnum(c) && !strings.ContainsRune("+-.", c) }

// userInfo returns the name and the password of a URL without its scheme. A password may hold characters that it
// should not.
func userInfo(address string) (user, password string) {
	if end := strings.IndexAny(address, " \t\r\n\"'<>`"); end >= 0 {
		address = address[:end]
	}
	authority := address
	if end := strings.IndexAny(address, "/?#"); end >= 0 {
		authority = address[:end]
	}
	user, rest, ok := strings.Cut(authority, ":")
	if !ok {
		return "", ""
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return user, rest[:at]
	}
	if strings.Trim(rest, "0123456789") == "" || strings.ContainsAny(user, "@[") { // a port, or an address of IPv6
		return "", ""
	}
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return user, address[len(user)+1 : at]
	}
	return "", ""
}
