package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

func TestWhoeverHasLostTheLockDoesNotWriteOverItsSuccessor(t *testing.T) {
	store, err := folder.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var late, next ledger
	for _, l := range []*ledger{&late, &next} {
		if err := l.load(t.Context(), store, "staging", "web"); err != nil {
			t.Fatal(err)
		}
	}
	next.Live = &revision{RunID: "next", At: time.Now()}
	if err := next.save(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	late.Live = &revision{RunID: "late", At: time.Now()}
	if err := late.save(t.Context(), store); err == nil {
		t.Error("it does")
	}
	if err := late.load(t.Context(), store, "staging", "web"); err != nil || late.Live.RunID != "next" {
		t.Errorf("live is %+v (%v)", late.Live, err)
	}
	next.Pending = next.Live
	if err := next.save(t.Context(), store); err != nil {
		t.Errorf("whoever has the lock cannot write twice: %v", err)
	}
}

func TestADigestIsOfTheFilesAlone(t *testing.T) {
	m := artifacts.Manifest{RunID: "1", Files: []artifacts.File{{Path: "a", SHA256: "x", Mode: "0644"}}}
	same, other := m, m
	same.RunID, same.Created = "2", time.Now()
	other.Files = []artifacts.File{{Path: "a", SHA256: "y", Mode: "0644"}}
	if digestOf(m) != digestOf(same) || digestOf(m) == digestOf(other) {
		t.Error("it is not")
	}
}

func TestTheTailIsTheEndOfWhatWasSaid(t *testing.T) {
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
