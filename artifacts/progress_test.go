package artifacts

import (
	"bytes"
	"slices"
	"testing"
)

func TestMeter(t *testing.T) {
	var notified []Progress
	ctx := WithProgress(t.Context(), func(p Progress) { notified = append(notified, p) })
	m := meterOf(ctx)
	m.addTotal(2, 10)
	m.Write(bytes.Repeat([]byte("x"), 7))
	m.addBytes(-7)
	m.addFile()
	want := []Progress{{0, 2, 0, 10}, {0, 2, 7, 10}, {0, 2, 0, 10}, {1, 2, 0, 10}}
	if !slices.Equal(notified, want) {
		t.Errorf("notified %v, want %v", notified, want)
	}
	none := meterOf(t.Context())
	none.addTotal(1, 1)
	none.addFile()
	if n, err := none.Write([]byte("x")); n != 1 || err != nil {
		t.Error("a nil meter must accept everything")
	}
}
