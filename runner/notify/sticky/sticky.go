// Package sticky keeps one post up to date that several runs share: a message of a commit, a comment of a pull request.
//
// What the post says of each run, and its id, are an object of the store. All writes to it are conditional:
//
//  1. merge what this run says into the object;
//  2. if the post has no id yet, claim its creation in the same write. Another run that finds a claim waits for the id,
//     until the claim is over: then its owner has died, for no request lasts as long;
//  3. create the post, or change it, to what the object says;
//  4. read the object again. If another run has merged something meanwhile, its change of the post may have come before
//     this one's, so the post is changed once more.
//
// So the last change of the post has what all runs say, and there is one post unless a run dies between the service's
// answer and the next write.
package sticky

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/retry"
	"github.com/carlin-cicd/runner/runner/record"
)

// Store is what the object is kept in. See artifacts.Swapper for the semantics.
type Store interface {
	Load(ctx context.Context, key string) (body []byte, tag string, err error)
	Swap(ctx context.Context, o artifacts.Object, tag string) (newTag string, err error)
}

// Post is one post of a service.
type Post interface {
	// Create makes the post and returns its id.
	Create(ctx context.Context, items []record.Shown) (id string, err error)
	// Update changes the post. ErrGone says that it is there no more.
	Update(ctx context.Context, id string, items []record.Shown) error
}

// ErrGone is returned for a post that was deleted.
var ErrGone = errors.New("the post is gone")

// The bounds of an object.
const (
	maxItems = 60
	maxTurns = 4 // changes of the post by one run
)

// Claim is how long the creation of a post is left to the run that claimed it. It must be longer than all requests of
// that run may last together.
const Claim = 15 * time.Second

// state is the object.
type state struct {
	ID      string         `json:"id,omitempty"`
	SHA     string         `json:"sha"` // of the items; another commit's begin anew
	Creator string         `json:"creator,omitempty"`
	Until   time.Time      `json:"until,omitzero"` // of the creator's claim
	Turn    int            `json:"turn"`           // counts the merges
	Items   []record.Shown `json:"items"`

	tag string
}

// Shared is a post and where its state is.
type Shared struct {
	Store Store
	Key   string
	Post  Post
	Now   func() time.Time // nil for time.Now
}

// Show merges an item into the post. Unless it is worth a post of its own, none is created for it: it is kept for the one
// that another run creates. It returns the id of the post, "" if there is none.
func (s Shared) Show(ctx context.Context, item record.Shown, worthwhile bool) (id string, err error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	me := item.Run.RunID
	now, err := s.merge(ctx, item, worthwhile)
	if err != nil {
		return "", err
	}
	for turn := 0; turn < maxTurns; turn++ {
		switch {
		case now.ID == "" && now.Creator == "":
			return "", nil
		case now.ID == "" && now.Creator != me:
			if now, err = s.await(ctx, me); err != nil || now.ID == "" && now.Creator != me {
				return "", err
			}
			continue
		case now.ID == "":
			if now, err = s.create(ctx, now); err != nil {
				return "", err
			}
		default:
			err := s.Post.Update(ctx, now.ID, now.Items)
			if errors.Is(err, ErrGone) {
				now, err = s.change(ctx, func(n *state) {
					if n.ID == now.ID {
						n.ID, n.Creator, n.Until = "", me, s.Now().Add(Claim)
					}
				})
				if err != nil {
					return "", err
				}
				continue
			}
			if err != nil {
				return now.ID, err
			}
		}
		later, err := s.load(ctx)
		if err != nil || later.Turn == now.Turn {
			return now.ID, err
		}
		now = later
	}
	return now.ID, nil
}

// merge is steps 1 and 2.
func (s Shared) merge(ctx context.Context, item record.Shown, worthwhile bool) (state, error) {
	return s.change(ctx, func(n *state) {
		if n.SHA != item.Run.SHA {
			n.SHA, n.Items = item.Run.SHA, nil
		}
		n.add(item)
		if n.ID == "" && (worthwhile || n.Creator != "") && !s.Now().Before(n.Until) {
			n.Creator, n.Until = item.Run.RunID, s.Now().Add(Claim)
		}
	})
}

// add replaces what an earlier run of the same step said.
func (n *state) add(item record.Shown) {
	n.Turn++
	i := slices.IndexFunc(n.Items, func(o record.Shown) bool { return item.Run.SamePlace(o.Run) })
	switch {
	case i < 0:
		n.Items = append(n.Items, item)
	case n.Items[i].Run.RunID <= item.Run.RunID:
		n.Items[i] = item
	}
	n.Items = n.Items[max(len(n.Items)-maxItems, 0):]
}

// create is step 3 for a new post.
func (s Shared) create(ctx context.Context, now state) (state, error) {
	id, err := s.Post.Create(ctx, now.Items)
	if err != nil { // the next run creates it
		_, _ = s.change(context.WithoutCancel(ctx), func(n *state) {
			if n.ID == "" && n.Creator == now.Creator {
				n.Until = time.Time{}
			}
		})
		return now, err
	}
	shown := now.Turn
	if now, err = s.change(ctx, func(n *state) { n.ID, n.Creator, n.Until = id, "", time.Time{} }); err != nil {
		return now, err
	}
	now.Turn = shown // what was merged since is not in the post
	return now, nil
}

// await waits for the id of a post that another run creates, and takes over its claim when that is over.
func (s Shared) await(ctx context.Context, me string) (state, error) {
	const first, longest = 100 * time.Millisecond, time.Second
	for pause := first; ; pause = min(2*pause, longest) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return state{}, context.Cause(ctx)
		case <-timer.C:
		}
		now, err := s.load(ctx)
		if err != nil || now.ID != "" || now.Creator == "" {
			return now, err
		}
		if !s.Now().Before(now.Until) {
			return s.change(ctx, func(n *state) {
				if n.ID == "" && n.Creator == now.Creator {
					n.Creator, n.Until = me, s.Now().Add(Claim)
				}
			})
		}
	}
}

// change changes the object. A write that loses a race begins again.
func (s Shared) change(ctx context.Context, edit func(*state)) (state, error) {
	var n state
	policy := retry.Policy{
		First: 25 * time.Millisecond, Longest: 500 * time.Millisecond,
		Retryable: func(err error) bool {
			var r interface{ Retryable() bool }
			return errors.Is(err, fs.ErrExist) || errors.As(err, &r) && r.Retryable()
		},
	}
	err := retry.Do(ctx, policy, func() error {
		var err error
		if n, err = s.load(ctx); err != nil {
			return err
		}
		edit(&n)
		body, err := json.Marshal(n)
		if err != nil {
			return err
		}
		n.tag, err = s.Store.Swap(ctx, artifacts.Object{
			Key: s.Key, Body: bytes.NewReader(body), Size: int64(len(body)), Type: "application/json",
		}, n.tag)
		return err
	})
	return n, err
}

// load reads the object. One that cannot be read begins anew.
func (s Shared) load(ctx context.Context) (state, error) {
	body, tag, err := s.Store.Load(ctx, s.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	var n state
	if json.Unmarshal(body, &n) != nil || strings.ContainsAny(n.ID, "/?#") {
		n = state{}
	}
	n.tag = tag
	return n, nil
}
