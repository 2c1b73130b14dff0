package deploy

import (
	"strings"
	"testing"
)

func TestTheTailIsTheEndOfTheOutput(t *testing.T) {
	var text tail
	for range 5000 {
		if _, err := text.Write([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	if s := text.String(); len(s) != maxTail || !strings.HasSuffix(s, "3456789") {
		t.Errorf("it has %d bytes, and ends with %q", len(s), s[len(s)-10:])
	}
}
