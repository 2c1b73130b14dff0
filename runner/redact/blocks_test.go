package redact

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A text that is long enough to be scanned where it is comes out as if it was written in bits, and as a whole
// one: what is at the edges of blocks differs from size to size.
func TestLongWrites(t *testing.T) {
	const long = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldCBzZWNyZXQ="
	r := New(Secret{"A", "hunter2hunter2"}, Secret{"B", "s3cr3t"}, Secret{"C", long})
	rnd := rand.New(rand.NewPCG(7, 8))
	planted := []string{
		"hunter2hunter2", "s3cr3t", "s3c\x1b[31mr3t", long, long[:64] + "\n" + long[64:], long[:76] + "\r\n" + long[76:],
		"ghp_" + strings.Repeat(
			"x1",
			20,
		), "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat(strings.Repeat("A", 64)+"\n", 9), "-----BEGIN ", "npm_",
		"AKIAIOSFODNN7EXAMPLE " + strings.Repeat("wJalrXUtnF", 4), "\x1b]8;;" + strings.Repeat("u", 700), "hunter2hunt",
	}
	for round := range 15 {
		var text []byte
		for len(text) < 2*block+2*joint {
			text = append(text, strings.Repeat("plain words ", rnd.IntN(9))...)
			text = append(text, planted[rnd.IntN(len(planted))]...)
			text = append(text, " \n"[rnd.IntN(2)])
		}
		// What is planted at an edge begins there in one of the rounds, or ends.
		for _, edge := range []int{joint, block, joint + block, 2 * block} {
			copy(text[edge-round*6:], planted[rnd.IntN(len(planted))])
		}
		want := string(r.Bytes(text))
		for _, size := range []int{len(text), block + 1 + rnd.IntN(block), 1 + rnd.IntN(joint)} {
			var got bytes.Buffer
			w := r.Writer(&got)
			for p := range slices.Chunk(bytes.Clone(text), size) {
				_, _ = w.Write(p)
				clear(p) // it is the caller's again
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got.String() != want {
				t.Fatalf(
					"round %d: written in %d bytes at a time, the text comes out otherwise than whole",
					round,
					size,
				)
			}
		}
	}
}
