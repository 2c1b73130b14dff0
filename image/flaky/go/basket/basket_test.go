package basket

import (
	"os"
	"testing"
)

func TestSound(t *testing.T) {}

func TestFlaky(t *testing.T) {
	t.Run("under load", func(t *testing.T) {
		_, err := os.Stat("go.marker")
		if err := os.WriteFile("go.marker", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal("not the first time")
		}
	})
}

func TestBroken(t *testing.T) {
	if os.Getenv("FIXED") == "" {
		t.Error("got 3, want 2")
	}
}

func TestQuarantined(t *testing.T) { t.Error("got 1970, want today") }
