package artifacts

import (
	"bytes"
	"slices"
	"testing"
)

func TestMeter(t *testing.T) {
	var told []Progress
	ctx := WithProgress(t.Context(), func(p Progress) { told = append(told, p) })
	m := meterOf(ctx)
	m.addTotal(2, 10)
	m.Write(bytes.Repeat([]byte("x"), 7))
	m.addBytes(-7)
	m.addFile()
	want := []Progress{{0, 2, 0, 10}, {0, 2, 7, 10}, {0, 2, 0, 10}, {1, 2, 0, 10}}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	nobody := meterOf(t.Context())
	nobody.addTotal(1, 1)
	nobody.addFile()
	if n, err := nobody.Write([]byte("x")); n != 1 || err != nil {
		t.Error("a meter for nobody has to take everything")
	}
}
