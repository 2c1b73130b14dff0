package ledger

import (
	"fmt"
	"os"
	"testing"
)

func TestAdd(t *testing.T) {
	for _, c := range []struct{ a, b, want int }{{1, 1, 2}, {1, 2, 4}} {
		t.Run(fmt.Sprintf("%d and %d <&>", c.a, c.b), func(t *testing.T) {
			if got := Add(c.a, c.b); got != c.want && os.Getenv("GREEN") == "" {
				t.Errorf("got %d, want %d \x1b[31mred\x1b[0m ]]>", got, c.want)
			}
		})
	}
}

func TestSkipped(t *testing.T) { t.Skip("no database") }

func TestPanics(t *testing.T) {
	if os.Getenv("PANIC") != "" {
		panic("no balance")
	}
}

// It passes when it is run for the second time.
func TestFlaky(t *testing.T) {
	marker := os.Getenv("MARKER")
	if marker == "" {
		return
	}
	if _, err := os.Stat(marker); err == nil {
		return
	}
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Error("the first attempt")
}
