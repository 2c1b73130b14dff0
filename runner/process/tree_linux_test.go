package process

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestWhichProcessesBelongToTheRun(t *testing.T) {
	const started = 1000
	run := &tree{leader: 50, started: started, self: 10, ourGroup: 10, before: map[int]bool{60: true, 70: true}}
	all := map[int]member{}
	for _, p := range []member{
		{pid: 1, parent: 0, group: 1, started: 0},
		{pid: 9, parent: 1, group: 9, started: 1},
		{pid: 10, parent: 9, group: 10, started: 2},
		{pid: 50, parent: 10, group: 50, started: started},
		{pid: 51, parent: 50, group: 50, started: started + 1},
		{pid: 52, parent: 51, group: 52, started: started + 2},  // setsid
		{pid: 53, parent: 10, group: 52, started: started + 3},  // an orphan
		{pid: 54, parent: 53, group: 54, started: started + 4},  // and its child
		{pid: 55, parent: 1, group: 50, started: started + 4},   // of the group, with any parent
		{pid: 60, parent: 10, group: 60, started: started},      // ours, from before, of the same tick
		{pid: 61, parent: 60, group: 60, started: started + 9},  // and its child
		{pid: 62, parent: 10, group: 62, started: started - 1},  // from before
		{pid: 63, parent: 10, group: 10, started: started + 5},  // of another part of this program
		{pid: 64, parent: 63, group: 64, started: started + 6},  // and its child
		{pid: 70, parent: 51, group: 50, started: started + 7},  // a pid that is used again
		{pid: 80, parent: 1, group: 80, started: started + 8},   // unrelated
		{pid: 81, parent: 999, group: 81, started: started + 8}, // its parent was missed by the scan
		{pid: 90, parent: 0, group: 90, started: started + 8},   // from outside
		{pid: 95, parent: 96, group: 95, started: started + 8},  // a circle, as pids change while we read
		{pid: 96, parent: 95, group: 96, started: started + 8},
	} {
		all[p.pid] = p
	}
	var got []int
	for pid, p := range all {
		if run.descends(p, all) {
			got = append(got, pid)
		}
	}
	slices.Sort(got)
	if want := []int{50, 51, 52, 53, 54, 55, 70}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestStat(t *testing.T) {
	const rest = " S 41 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3"
	for line, want := range map[string]member{
		"40 (sh)" + rest:               {pid: 40, parent: 41, group: 42, started: 98765, name: "sh"},
		"40 (a) Z 1 1 (b)" + rest:      {pid: 40, parent: 41, group: 42, started: 98765, name: "a) Z 1 1 (b"},
		"40 (new\nline)" + rest + "\n": {pid: 40, parent: 41, group: 42, started: 98765, name: "new\nline"},
		"40 (sh) T" + rest[2:]:         {pid: 40, parent: 41, group: 42, started: 98765, name: "sh", suspended: true},
		"40 (sh) Z" + rest[2:]:         {pid: 40, parent: 41, group: 42, started: 98765, name: "sh", dead: true},
	} {
		want.cpu, want.resident = 260*time.Millisecond, 2*int64(os.Getpagesize())
		if got, err := parseStat(line); err != nil || got != want {
			t.Errorf("%q: %+v %v", line, got, err)
		}
	}
	for _, line := range []string{
		"", "40", "40 (sh", "40 )sh( S", "40 (sh) S 1 2", "x (sh)" + rest, "40 (sh) S -" + rest,
	} {
		if got, err := parseStat(line); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add("40 (a) b) S 41 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3")
	f.Fuzz(func(t *testing.T, line string) {
		p, err := parseStat(line)
		if err == nil && !strings.Contains(line, "("+p.name+")") {
			t.Errorf("%+v", p)
		}
	})
}

func TestPrintable(t *testing.T) {
	long := strings.Repeat("ab ", 100)
	for s, want := range map[string]string{
		"node server.js":         "node server.js",
		"a\nb\tc":                "a b c",
		"\x1b[31mred\x07":        "?[31mred?",
		"bad\xffutf":             "bad?utf",
		"żółw":                   "żółw",
		long:                     long[:197] + "…",
		strings.Repeat("ż", 100): strings.Repeat("ż", 100),
		strings.Repeat("ż", 101): strings.Repeat("ż", 98) + "…",
	} {
		if got := printable(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x00b\xff\u2028" + strings.Repeat("ż", 200))
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		if len(got) > maxCommandLine || !utf8.ValidString(got) ||
			strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", got)
		}
	})
}
