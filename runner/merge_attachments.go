package runner

import (
	"context"
	"fmt"
	"path"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/shards"
)

// adoptAttachments copies the files of failed tests that the shards have stored, so that the merged report shows them
// beside their tests. The bounds are those of one run: what is beyond them stays in the report of its shard.
func (r *run) adoptAttachments() {
	if r.Stop.Work.Err() != nil {
		return
	}
	ctx, cancel := r.Stop.PublishContext()
	defer cancel()
	var adopted adopted
	for _, p := range r.merging.parts {
		groups := adopted.groups
		for _, a := range p.Run.Attached {
			if a.Group > 0 {
				a.Group += groups
				adopted.groups = max(adopted.groups, a.Group)
			}
			r.attachments = adopted.add(r.attachments, r.adoptAttachment(ctx, p, a, &adopted))
		}
	}
}

// adopted counts what was taken from the shards.
type adopted struct {
	groups, refused int
	stored          int
	bytes           int64
}

func (n *adopted) add(all []record.Attachment, a record.Attachment) []record.Attachment {
	if a.Refused != "" {
		if n.refused++; n.refused > maxRefused {
			return all
		}
	} else {
		n.stored++
		n.bytes += a.Bytes
	}
	return append(all, a)
}

// adoptAttachment copies one file. One that is not stored says why.
func (r *run) adoptAttachment(ctx context.Context, p shards.Part, a record.Attachment, n *adopted) record.Attachment {
	if a.Refused != "" || a.File == "" {
		return a
	}
	name := path.Base(a.File)
	from, to := p.Key+"/attachments/"+name, fmt.Sprintf("attachments/shard-%d-%s", p.Shard, name)
	if n.stored >= maxAttachments || n.bytes+a.Bytes > maxAttachmentsSize {
		a.File, a.Refused = "", fmt.Sprintf("the shards have too many, or too large ones: see the report of shard %d", p.Shard)
		return a
	}
	size, err := r.copyObject(ctx, from, r.runKey()+"/"+to, artifacts.MediaType(to))
	switch {
	case err != nil:
		r.Log.Warn("a file of a test could not be copied from its shard", "file", from, "error", err.Error(), "hint", outcome.Hint(err))
		a.File, a.Refused = "", fmt.Sprintf("it could not be copied: see the report of shard %d", p.Shard)
	case size == 0:
		a.File, a.Refused = "", "it is no longer in the store"
	default:
		a.File, a.Bytes = to, size
	}
	return a
}
