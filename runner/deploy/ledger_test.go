package deploy

import (
	"testing"

	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
)

func TestARunThatLostTheLockCannotOverwriteTheLedgerOfItsSuccessor(t *testing.T) {
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
	next.Live = &record.Revision{RunID: "next"}
	if err := next.save(t.Context(), store, redact.New()); err != nil {
		t.Fatal(err)
	}
	late.Live = &record.Revision{RunID: "late"}
	if err := late.save(t.Context(), store, redact.New()); err == nil {
		t.Error("it overwrote the ledger")
	}
	if err := late.load(t.Context(), store, "staging", "web"); err != nil || late.Live.RunID != "next" {
		t.Errorf("live is %+v (%v)", late.Live, err)
	}
	next.Pending = next.Live
	if err := next.save(t.Context(), store, redact.New()); err != nil {
		t.Errorf("the holder of the lock cannot write twice: %v", err)
	}
}
