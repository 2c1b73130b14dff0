package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"
)

// tree is the files of an entry. Nodes are in an order in which each folder comes before what is in it.
type tree struct {
	roots  []string // the paths of the cache, as they were declared
	blocks []block
	nodes  []node
}

// block is an object with the contents of files.
type block struct {
	sum     [sha256.Size]byte // of the object
	stored  int64             // bytes of the object
	raw     int64             // bytes that it unpacks to
	created int64             // seconds since 1970
	main    bool              // it is the main branch's, not the entry's own
}

// kind is what a node is.
type kind byte

const (
	folderNode kind = iota
	fileNode
	linkNode // a symbolic link
	hardNode // a further name of an earlier file
)

// node is a file, a folder or a link.
type node struct {
	root   int    // index of its root
	path   string // below the root, slash-separated; "" for the root itself
	kind   kind
	mode   uint32 // permission bits, with setuid, setgid and sticky as in stat
	mtime  int64  // nanoseconds since 1970
	size   int64  // of a file
	target string // of a symbolic link
	same   int    // of a hard link: the index of the file
	pieces []piece
}

// piece is a part of a file.
type piece struct {
	sum    [sha256.Size]byte
	block  uint32 // index
	offset uint32 // in the block
	length uint32
}

// Limits of what is parsed, far above what is written.
const (
	maxBlock  = 2 << 20   // bytes that a block unpacks to
	maxNodes  = 4_000_000 // in a tree
	maxTree   = 1 << 30   // bytes of a tree
	modeBits  = 0o7777
	maxTarget = 4096 // bytes of a link's target
)

const treeMagic = "carlin-cache-tree 1\n"

// encode returns the tree as bytes. Paths share what they begin with, as they are in order.
func (t *tree) encode() []byte {
	b := make([]byte, 0, len(treeMagic)+len(t.blocks)*56+len(t.nodes)*88)
	number := func(n int64) { b = binary.AppendVarint(b, n) }
	text := func(s string) {
		number(int64(len(s)))
		b = append(b, s...)
	}
	b = append(b, treeMagic...)
	number(int64(len(t.roots)))
	for _, r := range t.roots {
		text(r)
	}
	number(int64(len(t.blocks)))
	for _, k := range t.blocks {
		b = append(b, k.sum[:]...)
		number(k.stored)
		number(k.raw)
		number(k.created)
		number(int64(flag(k.main)))
	}
	number(int64(len(t.nodes)))
	last := ""
	for i := range t.nodes {
		n := &t.nodes[i]
		shared := sharedPrefix(last, n.path)
		last = n.path
		number(int64(n.root))
		number(int64(shared))
		text(n.path[shared:])
		b = append(b, byte(n.kind))
		number(int64(n.mode))
		number(n.mtime)
		switch n.kind {
		case fileNode:
			number(n.size)
			number(int64(len(n.pieces)))
			for _, p := range n.pieces {
				b = append(b, p.sum[:]...)
				number(int64(p.block))
				number(int64(p.offset))
				number(int64(p.length))
			}
		case linkNode:
			text(n.target)
		case hardNode:
			number(int64(n.same))
		}
	}
	return b
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func sharedPrefix[T string | []byte](a string, b T) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// parser reads an encoded tree. After its first error it returns zeros.
type parser struct {
	rest  []byte
	err   error
	texts texts
	room  []piece // for the pieces of the next files
}

// texts makes strings of parts of a few large ones: tens of thousands of single ones would take more memory, and the
// collector more time.
type texts struct{ b strings.Builder }

// join returns the two parts as one.
func (t *texts) join(a string, b []byte) string {
	if n := len(a) + len(b); t.b.Cap()-t.b.Len() < n {
		t.b = strings.Builder{}
		t.b.Grow(max(n, 32<<10))
	}
	from := t.b.Len()
	t.b.WriteString(a)
	t.b.Write(b)
	return t.b.String()[from:]
}

func (p *parser) fail(format string, values ...any) {
	if p.err == nil {
		p.err, p.rest = fmt.Errorf(format, values...), nil
	}
}

var errShort = errors.New("it ends early")

func (p *parser) bytes(n int) []byte {
	if n < 0 || n > len(p.rest) {
		p.fail("%w", errShort)
		return nil
	}
	out := p.rest[:n]
	p.rest = p.rest[n:]
	return out
}

// number reads a number from 0 to most.
func (p *parser) number(most int64) int64 {
	n := p.signed()
	if n < 0 || n > most {
		p.fail("a number is out of range")
		return 0
	}
	return n
}

func (p *parser) signed() int64 {
	n, size := binary.Varint(p.rest)
	if size <= 0 {
		p.fail("%w", errShort)
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parser) sum() (sum [sha256.Size]byte) {
	copy(sum[:], p.bytes(sha256.Size))
	return sum
}

func (p *parser) text(most int64) string { return string(p.bytes(int(p.number(most)))) }

// takePieces returns n pieces of what is left of a larger allocation.
func takePieces(room *[]piece, n int) []piece {
	if n > len(*room) {
		*room = make([]piece, max(n, 512))
	}
	taken := (*room)[:n:n]
	*room = (*room)[n:]
	return taken
}

// parseTree is the inverse of encode. It accepts no tree that would lead out of its roots: a path is clean, and what it
// is in is an earlier folder of the tree.
func parseTree(text []byte) (*tree, error) {
	if !bytes.HasPrefix(text, []byte(treeMagic)) {
		return nil, errors.New("it is not a tree of this version")
	}
	p := &parser{rest: text[len(treeMagic):]}
	t := &tree{}
	for range p.number(int64(len(p.rest))) {
		t.roots = append(t.roots, p.text(maxTarget))
		if p.err != nil {
			return nil, p.err
		}
	}
	count := p.number(int64(len(p.rest)) / sha256.Size)
	t.blocks = make([]block, count)
	for i := range t.blocks {
		t.blocks[i] = block{p.sum(), p.number(2 * maxBlock), p.number(maxBlock), p.signed(), p.number(1) == 1}
	}
	count = p.number(min(int64(len(p.rest))/6, maxNodes))
	if p.err != nil {
		return nil, p.err
	}
	t.nodes = make([]node, 0, count)
	folders := map[place]bool{}
	last := ""
	for i := range count {
		n := p.node(t, last)
		if p.err == nil {
			p.err = t.admit(n, folders)
		}
		if p.err == nil && i > 0 && !comesBefore(&t.nodes[i-1], &n) {
			p.err = fmt.Errorf("the path %q is not in order", n.path)
		}
		if p.err != nil {
			return nil, p.err
		}
		last = n.path
		t.nodes = append(t.nodes, n)
	}
	if len(p.rest) > 0 {
		return nil, errors.New("something follows its end")
	}
	return t, nil
}

// place is a path in a root.
type place struct {
	root int
	path string
}

func (p *parser) node(t *tree, last string) (n node) {
	n.root = int(p.number(int64(len(t.roots)) - 1))
	shared := p.number(int64(len(last)))
	n.path = p.texts.join(last[:shared], p.bytes(int(p.number(maxTarget))))
	if b := p.bytes(1); b != nil {
		n.kind = kind(b[0])
	}
	n.mode = uint32(p.number(modeBits))
	n.mtime = p.signed()
	switch n.kind {
	case folderNode:
	case fileNode:
		n.size = p.number(1 << 50)
		p.pieces(t, &n)
	case linkNode:
		n.target = p.text(maxTarget)
	case hardNode:
		n.same = int(p.number(int64(len(t.nodes)) - 1))
	default:
		p.fail("a node is of no known kind")
	}
	return n
}

// pieces reads those of a file, which must make up its size.
func (p *parser) pieces(t *tree, n *node) {
	count := p.number(int64(len(p.rest)) / sha256.Size)
	if count > 0 {
		n.pieces = takePieces(&p.room, int(count))
	}
	total := int64(0)
	for i := range n.pieces {
		q := piece{
			p.sum(), uint32(p.number(int64(len(t.blocks)) - 1)), uint32(p.number(maxBlock)), uint32(p.number(maxBlock)),
		}
		if p.err != nil {
			return
		}
		if q.length == 0 || int64(q.offset)+int64(q.length) > t.blocks[q.block].raw {
			p.fail("a piece of %q is not in its block", n.path)
			return
		}
		total += int64(q.length)
		n.pieces[i] = q
	}
	if p.err == nil && total != n.size {
		p.fail("the pieces of %q do not make up the file", n.path)
	}
}

// admit refuses a node that is not below its root, in a folder that was there before it.
func (t *tree) admit(n node, folders map[place]bool) error {
	switch {
	case n.path != "" && !isClean(n.path):
		return fmt.Errorf("the path %q is not clean", n.path)
	case strings.IndexByte(n.target, 0) >= 0 || n.kind == linkNode && n.target == "":
		return fmt.Errorf("the target of the link %q is invalid", n.path)
	case n.kind == hardNode && (t.nodes[n.same].kind != fileNode || t.nodes[n.same].root != n.root):
		return fmt.Errorf("the link %q is not to a file", n.path)
	}
	if n.path != "" {
		up := path.Dir(n.path)
		if up == "." {
			up = ""
		}
		if !folders[place{n.root, up}] {
			return fmt.Errorf("the path %q is in no folder of the tree", n.path)
		}
	}
	if n.kind == folderNode {
		folders[place{n.root, n.path}] = true
	}
	return nil
}

// isClean reports whether each component of a path is a name. Names are bytes: not all of them are UTF-8.
func isClean(path string) bool {
	if strings.IndexByte(path, 0) >= 0 {
		return false
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." {
			return false
		}
	}
	return true
}

// comesBefore reports whether a node comes before another one. So none is there twice.
func comesBefore(a, b *node) bool {
	return cmp.Or(cmp.Compare(a.root, b.root), comparePaths(a.path, b.path)) < 0
}

// comparePaths compares two paths: a folder comes before what is in it, and names are in the order of their bytes.
func comparePaths[T string | []byte](a string, b T) int {
	shared := sharedPrefix(a, b)
	switch {
	case shared == len(a) && shared == len(b):
		return 0
	case shared == len(a):
		return -1
	case shared == len(b):
		return 1
	case a[shared] == '/': // the name ends here
		return -1
	case b[shared] == '/':
		return 1
	}
	return cmp.Compare(a[shared], b[shared])
}
