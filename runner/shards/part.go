package shards

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/retry"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/history"
)

// Format is the version of what shards store.
const Format = 1

// Part is what one shard has found. Everything in it is redacted.
type Part struct {
	Format   int        `json:"format"`
	Shard    int        `json:"shard"`
	Of       int        `json:"of"`
	Key      string     `json:"key"      redact:"-"` // the folder of the shard's records
	Run      record.Run `json:"run"`
	Listed   string     `json:"listed"   redact:"-"` // digest of the list of all files
	Times    string     `json:"times"    redact:"-"` // digest of the times by which they were divided
	Files    int        `json:"files"`               // of the share
	All      int        `json:"all"`                 // files
	Expected float64    `json:"expected_seconds"`    // by the times
	Started  bool       `json:"started"`             // the command was
	Sets     []string   `json:"sets"     redact:"-"` // kinds of the artifacts that it keeps
	Tail     string     `json:"tail"`                // the end of the output

	Sample *history.Sample   `json:"-"`
	Took   history.FileTimes `json:"-"` // of the files

	List   []record.ListedTest `json:"-"` // of its tests
	Beyond int                 `json:"-"` // tests that the list has no room for
}

// sampled is what a part says of its tests.
type sampled struct {
	Sample *history.Sample     `json:"sample"`
	Took   history.FileTimes   `json:"times"`
	List   []record.ListedTest `json:"list"`
	Beyond int                 `json:"beyond,omitempty"`
}

// Latest is the newest run of a shard.
type Latest struct {
	Format int    `json:"format"`
	RunID  string `json:"run_id"`
	Final  bool   `json:"final"` // it is not to be run again
	Passed bool   `json:"passed"`
}

// Store keeps a part. What it refers to is there before it is. A part of an earlier run does not replace that of a later
// one, which is what tells the newest from one that was believed dead.
func (p Place) Store(ctx context.Context, s artifacts.Store, part Part) error {
	swapper, ok := s.(artifacts.Swapper)
	if !ok {
		return errors.New("the store has no conditional writes")
	}
	if err := storeSample(ctx, s, part); err != nil {
		return err
	}
	if err := artifacts.PutJSON(ctx, s, partKey(part.Key), part); err != nil {
		return err
	}
	latest := Latest{Format, part.Run.RunID, !part.Run.Allowed, part.Run.Passed}
	text, err := json.Marshal(latest)
	if err != nil {
		return err
	}
	key := p.newest(part.Shard)
	policy := retry.Policy{First: 25 * time.Millisecond, Longest: time.Second, Retryable: lostRace}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return retry.Do(ctx, policy, func() error {
		var stored Latest
		body, tag, err := swapper.Load(ctx, key)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			tag = ""
		case err != nil:
			return err
		case json.Unmarshal(body, &stored) == nil && stored.RunID >= latest.RunID: // ids sort by time
			return nil
		}
		_, err = swapper.Swap(ctx, artifacts.Object{
			Key: key, Body: bytes.NewReader(text), Size: int64(len(text)), Type: "application/json", CacheControl: "no-cache",
		}, tag)
		return err
	})
}

const storeTime = 15 * time.Second

func lostRace(err error) bool {
	var r interface{ Retryable() bool }
	return errors.Is(err, fs.ErrExist) || errors.As(err, &r) && r.Retryable()
}

func storeSample(ctx context.Context, s artifacts.Store, part Part) error {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(sampled{part.Sample, part.Took, part.List, part.Beyond}); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	_, err := s.Put(ctx, artifacts.Object{
		Key: sampleKey(part.Key), Body: bytes.NewReader(b.Bytes()), Size: int64(b.Len()), Type: "application/gzip",
	})
	return err
}

// State is which shards have stored a part.
type State struct {
	Latest  map[int]Latest // by shard
	Missing []int
	Parts   string // identifies the newest parts
}

// Complete reports whether every shard has stored a part, and none is to be run again.
func (s State) Complete() bool {
	for _, l := range s.Latest {
		if !l.Final {
			return false
		}
	}
	return len(s.Missing) == 0
}

// Look returns which shards have stored a part.
func (p Place) Look(ctx context.Context, s artifacts.Store) (State, error) {
	state := State{Latest: map[int]Latest{}}
	h := sha256.New()
	for n := 1; n <= p.Of; n++ {
		l, err := p.Newest(ctx, s, n)
		var corrupt *artifacts.CorruptError
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.As(err, &corrupt):
			state.Missing = append(state.Missing, n)
			continue
		case err != nil:
			return state, err
		}
		state.Latest[n] = l
		fmt.Fprintf(h, "%d of %d: %s\n", n, p.Of, l.RunID)
	}
	state.Parts = hex.EncodeToString(h.Sum(nil)[:8])
	return state, nil
}

// Newest returns the newest run of a shard. The error is fs.ErrNotExist if it has stored none that can be used.
func (p Place) Newest(ctx context.Context, s artifacts.Store, shard int) (l Latest, err error) {
	err = artifacts.GetJSON(ctx, s, p.newest(shard), &l)
	if err == nil && !usable(l) {
		err = fs.ErrNotExist
	}
	return l, err
}

// usable refuses what is not of this format: a run's id is a part of keys.
func usable(l Latest) bool { return l.Format == Format && IsGroup(l.RunID) }

// Load returns the newest parts in the order of the shards, and the shards without one that can be read.
func (p Place) Load(
	ctx context.Context, s artifacts.Store, state State, root string, clean func(string) string,
) (parts []Part, missing []int, err error) {
	for n := 1; n <= p.Of; n++ {
		l, ok := state.Latest[n]
		if !ok {
			missing = append(missing, n)
			continue
		}
		part, err := p.load(ctx, s, n, l.RunID, root, clean)
		var corrupt *artifacts.CorruptError
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.As(err, &corrupt):
			missing = append(missing, n)
			continue
		case err != nil:
			return nil, nil, err
		}
		parts = append(parts, part)
	}
	return parts, missing, nil
}

func (p Place) load(
	ctx context.Context, s artifacts.Store, n int, runID, root string, clean func(string) string,
) (Part, error) {
	folder := p.Run(n, runID)
	var part Part
	if err := artifacts.GetJSON(ctx, s, partKey(folder), &part); err != nil {
		return part, err
	}
	if part.Format != Format || part.Shard != n || part.Of != p.Of || part.Run.RunID != runID {
		return part, &artifacts.CorruptError{
			Path: partKey(folder), Want: "the part of shard " + Index{n, p.Of}.String(), Got: Index{part.Shard, part.Of}.String(),
		}
	}
	part.Key = folder
	body, err := s.Get(ctx, sampleKey(folder))
	if err != nil {
		return part, err
	}
	defer body.Close()
	read := sampled{Sample: history.NewSample(root, clean)}
	if err := decodeSample(body, &read); err != nil {
		return part, &artifacts.CorruptError{Path: sampleKey(folder), Want: "the tests of a shard", Got: err.Error()}
	}
	part.Sample, part.Took, part.List, part.Beyond = read.Sample, read.Took, read.List, read.Beyond
	return part, nil
}

// maxSample bounds what the tests of a shard take when they are read, in bytes.
const maxSample = 32 << 20

func decodeSample(body io.Reader, into *sampled) error {
	z, err := gzip.NewReader(body)
	if err != nil {
		return err
	}
	sample := into.Sample
	if err := json.NewDecoder(io.LimitReader(z, maxSample)).Decode(into); err != nil {
		return err
	}
	into.Sample = cmp.Or(into.Sample, sample)
	return nil
}

// Sets returns the store in which a run of a shard keeps artifacts.
func Sets(s artifacts.Store, folder string) artifacts.Store { return Under(s, setsKey(folder)) }

// Rename has the part name another folder than the one that its tests ran in.
func (p *Part) Rename(from, to string) error {
	before := *p
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	var renamed Part
	if err := json.Unmarshal(bytes.ReplaceAll(text, []byte(from), []byte(to)), &renamed); err != nil {
		return err
	}
	*p = renamed
	p.Sample, p.Took, p.List, p.Beyond = before.Sample, before.Took, before.List, before.Beyond
	return nil
}
