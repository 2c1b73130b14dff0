package logs

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is said to fit into a pipe fits, whatever was written and read before.
func TestRoomOfAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	room := roomOf(w)
	if room.capacity < 64<<10 {
		t.Fatalf("the pipe's capacity is %d", room.capacity)
	}
	if err := unix.SetNonblock(room.fd, true); err != nil {
		t.Fatal(err)
	}
	if !pipeFits(flushAt+MaxRecord, 0, room.capacity) {
		t.Error("a full buffer does not fit into an empty pipe")
	}
	fitted, refused, most := 0, 0, 0
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		longest := []int{300, 2100, 4096, 9000, 57000}[seed%5]
		for range 40 {
			p := make([]byte, 1+rnd.IntN(longest))
			if rnd.IntN(4) == 0 {
				n, _ := unix.IoctlGetInt(room.fd, unix.TIOCINQ)
				_, _ = unix.Read(int(r.Fd()), make([]byte, rnd.IntN(n+2)))
			}
			if !room.take(len(p)) {
				refused++
				continue
			}
			n, err := unix.Write(room.fd, p)
			if n != len(p) || err != nil {
				t.Fatalf("seed %d: %d of %d bytes fitted: %v", seed, n, len(p), err)
			}
			fitted, most = fitted+1, max(most, len(p))
		}
	}
	if fitted < 1000 || refused < 1000 || most < flushAt {
		t.Errorf("%d fitted, of %d bytes at most, %d did not", fitted, most, refused)
	}
}

// A reader that takes a few bytes moves, although a large write shows no progress yet.
func TestARoomShowsThatTheReaderMoves(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	room := roomOf(w)
	filled := make(chan struct{})
	go func() {
		_, _ = w.Write(make([]byte, 2*room.capacity)) // fails when the reader is closed
		close(filled)
	}()
	_, _ = r.Read(make([]byte, 1)) // returns once there is something
	for n := 0; n < room.capacity-4096; {
		n, _ = unix.IoctlGetInt(room.fd, unix.TIOCINQ)
	}
	room.look()
	if room.moved() {
		t.Error("a reader that takes nothing moves")
	}
	_, _ = r.Read(make([]byte, 10))
	if !room.moved() {
		t.Error("a reader that takes ten bytes does not move")
	}
	r.Close()
	<-filled
	w.Close()
}

func TestRoomOfWhatNeverStalls(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, f := range []*os.File{file, null} {
		if r := roomOf(f); !r.take(1 << 30) {
			t.Errorf("%s takes nothing at once", f.Name())
		}
	}
	zero, err := os.OpenFile("/dev/zero", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	if r := roomOf(zero); r.take(1) {
		t.Error("a device that is not known takes something at once")
	}
	if r := roomOf(&bytes.Buffer{}); r.take(1) {
		t.Error("what is no file takes something at once")
	}
}

func TestALogThroughAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte)
	go func() {
		var all bytes.Buffer
		_, _ = all.ReadFrom(r)
		got <- all.Bytes()
	}()
	s := New(w, Options{})
	c := s.Command()
	for i := range 300 {
		feed(t, c, strings.Repeat("x", i*37%5000)+"\n", strings.Repeat("y\n", i))
	}
	w.Close()
	if n := len(jsonLines(t, <-got)); n != 300+299*300/2 {
		t.Errorf("%d lines", n)
	}
}
