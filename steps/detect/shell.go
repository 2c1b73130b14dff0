package detect

import (
	"strings"
	"unicode"
)

// command is a simple command of a shell line.
type command struct {
	text   string   // as it is written
	words  []string // without their quotes
	joiner string   // what follows: "&&", "||", ";", "|", "&", "" behind the last, "#" if a comment is behind it
}

// commands splits a line into simple commands. It returns false for what it does not follow: groups, substitutions,
// redirections, several lines, quotes without an end.
func commands(line string) ([]command, bool) {
	if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }) {
		return nil, false
	}
	l := lexer{line: line}
	for l.at < len(line) {
		if !l.step() {
			return nil, false
		}
	}
	if l.quote != 0 {
		return nil, false
	}
	if n := len(l.all); n > 0 && strings.TrimSpace(line[l.start:]) == "" {
		last := l.all[n-1].joiner
		return l.all, last == ";" || last == "&" || last == "#"
	}
	return l.all, l.end("")
}

// lexer reads a shell line byte by byte: what has a meaning for the shell is ASCII.
type lexer struct {
	line      string
	at, start int // start is where the current command begins
	quote     byte
	word      strings.Builder
	inWord    bool
	words     []string
	all       []command
}

// step reads the next byte. It returns false for syntax that is not followed.
func (l *lexer) step() bool {
	b := l.line[l.at]
	switch {
	case b == '\\' && l.quote != '\'':
		if l.at+1 == len(l.line) {
			return false
		}
		l.at++
		l.add(l.line[l.at])
	case l.quote != 0 && b == l.quote:
		l.quote = 0
	case l.substitutes(b):
		return false
	case l.quote != 0:
		l.add(b)
	case b == '\'' || b == '"':
		l.quote, l.inWord = b, true
	case b == ' ' || b == '\t':
		l.endWord()
	default:
		return l.plain(b)
	}
	l.at++
	return true
}

// plain reads a byte outside of quotes.
func (l *lexer) plain(b byte) bool {
	switch {
	case strings.IndexByte("()<>", b) >= 0, !l.inWord && strings.IndexByte("{}!", b) >= 0 && l.alone():
		return false
	case b == '#' && !l.inWord:
		if !l.end("#") {
			return false
		}
		l.at, l.start = len(l.line), len(l.line)
		return true
	case b == '&' || b == '|' || b == ';':
		joiner := string(b)
		if b != ';' && strings.HasPrefix(l.line[l.at+1:], joiner) {
			joiner += joiner
		}
		ok := l.end(joiner)
		l.at = l.start
		return ok
	}
	l.add(b)
	l.at++
	return true
}

// alone reports whether the byte is a word of its own.
func (l *lexer) alone() bool {
	return l.at+1 == len(l.line) || strings.IndexByte(" \t;&|", l.line[l.at+1]) >= 0
}

// substitutes reports whether a byte begins a command within the line.
func (l *lexer) substitutes(b byte) bool {
	return l.quote != '\'' && (b == '`' || b == '$' && strings.HasPrefix(l.line[l.at:], "$("))
}

func (l *lexer) add(b byte) {
	l.word.WriteByte(b)
	l.inWord = true
}

func (l *lexer) endWord() {
	if l.inWord {
		l.words = append(l.words, l.word.String())
	}
	l.word.Reset()
	l.inWord = false
}

// end ends a command. It returns false if it has no words.
func (l *lexer) end(joiner string) bool {
	l.endWord()
	c := command{strings.TrimSpace(l.line[l.start:l.at]), l.words, joiner}
	l.all, l.words, l.start = append(l.all, c), nil, l.at+len(joiner)
	return len(c.words) > 0
}

// sequence reports whether commands run one after another, each only if those before it passed or were ignored.
func sequence(all []command) bool {
	for _, c := range all {
		if c.joiner != "&&" && c.joiner != ";" && c.joiner != "#" && c.joiner != "" {
			return false
		}
	}
	return true
}

// shellWord is text as one word of a shell line.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
