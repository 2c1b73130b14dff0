package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// sampleJSON is a sample in JSON, for the shards of a run.
type sampleJSON struct {
	Level int              `json:"level,omitempty"`
	Seen  map[key]seenJSON `json:"tests"`
}

type seenJSON struct {
	Outcome      string `json:"o"`
	Milliseconds int64  `json:"ms,omitempty"`
	Name         string `json:"name,omitempty"`
}

// MarshalJSON writes what was seen. The folder of the tests is not a part of it: a test is the same on every machine.
func (s *Sample) MarshalJSON() ([]byte, error) {
	out := sampleJSON{s.level, make(map[key]seenJSON, len(s.seen))}
	for k, t := range s.seen {
		out.Seen[k] = seenJSON{string(t.outcome), t.milliseconds, t.name}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. Of the sample that it reads into, the folder and the cleaning of names stay.
func (s *Sample) UnmarshalJSON(text []byte) error {
	var in sampleJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if len(in.Seen) > maxSeen || in.Level < 0 || in.Level > 16 {
		return fmt.Errorf("a sample of %d tests at level %d", len(in.Seen), in.Level)
	}
	s.level, s.seen = in.Level, make(map[key]seen, len(in.Seen))
	for k, t := range in.Seen {
		outcome, size := utf8.DecodeRuneInString(t.Outcome)
		if size == 0 || size != len(t.Outcome) || severity(outcome) < 0 || t.Milliseconds < 0 || t.Milliseconds > maxTypical {
			return fmt.Errorf("a test ended with %q after %d ms", cut(t.Outcome, maxName), t.Milliseconds)
		}
		s.seen[k] = seen{outcome, t.Milliseconds, cut(t.Name, maxName)}
	}
	return nil
}

// Merge adds what another sample of the same run has seen. The order of merging does not matter.
func (s *Sample) Merge(other *Sample) {
	s.level = max(s.level, other.level)
	for k, now := range other.seen {
		was, again := s.seen[k]
		if !again || worse(now, was) {
			s.seen[k] = now
		}
	}
	for k, t := range s.seen {
		if t.thinned() && k.level() < s.level {
			delete(s.seen, k)
		}
	}
	for len(s.seen) > maxSeen {
		s.thin()
	}
}

// worse orders how a test ended in two shards.
func worse(a, b seen) bool {
	if x, y := severity(a.outcome), severity(b.outcome); x != y {
		return x > y
	}
	if a.milliseconds != b.milliseconds {
		return a.milliseconds > b.milliseconds
	}
	return strings.Compare(a.name, b.name) > 0
}
