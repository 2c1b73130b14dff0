package process

import "strings"

// The codes by which shells report a command that they could not start.
const (
	codeNotExecutable = 126
	codeNotFound      = 127
)

// maxWords bounds how many words of a command line are looked at.
const maxWords = 50

// explainExit returns advice about a shell's exit code, or "": a shell reports a script whose interpreter does not
// exist as "not found", although the file is there.
func explainExit(c Command, code int) (advice string) {
	if code != codeNotFound && code != codeNotExecutable {
		return ""
	}
	words := strings.FieldsFunc(
		strings.Join(c.Args, " "),
		func(r rune) bool { return strings.ContainsRune(" \t\n;&|()'\"", r) },
	)
	for _, word := range words[:min(len(words), maxWords)] {
		if !strings.Contains(word, "/") {
			continue
		}
		if _, crlf := shebang(absolute(word, c.Dir)); crlf {
			return word + " has Windows line ends, so its interpreter is not found: " + crlfAdvice
		}
	}
	return ""
}

const crlfAdvice = "convert it to Unix line ends (LF), and keep it so with `* text=auto eol=lf` in .gitattributes"
