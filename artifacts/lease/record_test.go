package lease

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

func TestUnreadableRecords(t *testing.T) {
	good := func(change func(r *lockRecord)) string {
		c := requestOf("a").withDefaults()
		r := lockRecord{}.taken("id", c)
		change(&r)
		b, err := r.encode()
		artifactstest.Must(t, err)
		return string(b)
	}
	if _, err := parseRecord([]byte(good(func(*lockRecord) {}))); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"nothing":                       " ",
		"half a record":                 good(func(*lockRecord) {})[:40],
		"something after it":            good(func(*lockRecord) {}) + "{}",
		"another version":               good(func(r *lockRecord) { r.Version = 2 }),
		"another kind of record":        "{}",
		"no id":                         good(func(r *lockRecord) { r.ID = "" }),
		"no writes":                     good(func(r *lockRecord) { r.Writes = 0 }),
		"no fence":                      good(func(r *lockRecord) { r.Fence = 0 }),
		"a fence that cannot grow":      good(func(r *lockRecord) { r.Fence = maxFence }),
		"an end before the beginning":   good(func(r *lockRecord) { r.Expires = r.Renewed }),
		"an end that is years from now": good(func(r *lockRecord) { r.Expires = r.Renewed.AddDate(1, 0, 0) }),
	} {
		bubble(t, name, func(t *testing.T, s *unreliable) {
			s.set(lockName, content)
			_, err := Acquire(t.Context(), s, waiting(requestOf("b"), time.Hour))
			var unreadable *RecordError
			if !errors.As(err, &unreadable) || !strings.Contains(err.Error(), lockName) ||
				!strings.Contains(unreadable.Hint(), "memory:"+lockName) {
				t.Fatalf("the error is %v", err)
			}
			if s.objects[lockName] != content {
				t.Errorf("it was replaced by %s", s.objects[lockName])
			}
		})
	}
}

func TestHolderString(t *testing.T) {
	for _, tt := range []struct {
		p    Owner
		want string
	}{
		{Owner{}, `"unknown"`},
		{Owner{Name: "me@here", Step: "migrate"}, `"me@here" (step migrate)`},
		{Owner{Name: "a", RunID: "1", Step: "s", SHA: "abc", Branch: "b"}, `"a" (run 1, step s, commit abc of "b")`},
		{Owner{Name: "a", Branch: "b", Purpose: "p"}, `"a" (branch "b") for "p"`},
		{Owner{Name: "a", SHA: "abc"}, `"a" (commit abc)`},
		{
			Owner{Name: "\x1b[2J", RunID: "\x1b", Step: "\n", SHA: "\a", Branch: "\r", Purpose: "\x00"},
			`"\x1b[2J" (run "\x1b", step "\n", commit "\a" of "\r") for "\x00"`,
		},
	} {
		if got := (Holder{Owner: tt.p}).String(); got != tt.want {
			t.Errorf("%+v: %s", tt.p, got)
		}
	}
}

func FuzzLockRecord(f *testing.F) {
	c := requestOf("a").withDefaults()
	r := lockRecord{}.taken("id", c)
	for _, r := range []lockRecord{r, r.renewed(c), r.released(c)} {
		b, err := r.encode()
		artifactstest.Must(f, err)
		f.Add(b)
	}
	f.Add(
		[]byte(
			`{"version":1,"id":"x","writes":9223372036854775807,"fence":9007199254740991,"renewed":"0000-01-01T00:00:00Z","expires":"0000-01-01T00:00:01Z"}`,
		),
	)
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseRecord(body)
		if err != nil {
			return
		}
		b, err := r.encode()
		artifactstest.Must(t, err)
		again, err := parseRecord(b)
		if err != nil {
			t.Fatalf("%s is read, %s is not: %v", body, b, err)
		}
		if twice, err := again.encode(); err != nil || !bytes.Equal(twice, b) {
			t.Errorf("%s becomes %s: %v", b, twice, err)
		}
		if next := r.taken("other", c); next.Fence <= r.Fence || next.ttl() != c.TTL {
			t.Errorf("%+v is followed by %+v", r, next)
		}
		if r.staleAfter() <= r.ttl() && r.ttl() > 4 {
			t.Errorf("the stale with %+v is %v", r, r.staleAfter())
		}
		_ = r.String()
	})
}
