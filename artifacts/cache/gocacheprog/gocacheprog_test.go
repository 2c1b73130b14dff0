package gocacheprog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/cache"
	"github.com/carlin-cicd/runner/artifacts/cache/serve"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// start returns a program for a server on a store. end waits until everything is stored.
func start(t testing.TB, store cache.Store) (p *Program, end func()) {
	t.Helper()
	s, err := serve.Start(context.Background(), t.TempDir())
	artifactstest.Must(t, err)
	s.Serve(&cache.Objects{Store: store, Tool: "go", Branch: "main", Main: "main", Compress: true})
	return &Program{URL: s.URL(), Token: s.Token()}, func() { artifactstest.Must(t, s.Close(context.Background())) }
}

// put is a request as the go command writes it.
func put(id int64, action, output, body string) string {
	r, _ := json.Marshal(request{ID: id, Command: "put", ActionID: []byte(action), OutputID: []byte(output), BodySize: int64(len(body))})
	text := string(r) + "\n"
	if body != "" {
		text += `"` + base64.StdEncoding.EncodeToString([]byte(body)) + "\"\n"
	}
	return text
}

func get(id int64, action string) string {
	r, _ := json.Marshal(request{ID: id, Command: "get", ActionID: []byte(action)})
	return string(r) + "\n"
}

// talk returns the answers by their ids.
func talk(t testing.TB, p *Program, in string) map[int64]response {
	t.Helper()
	var out bytes.Buffer
	artifactstest.Must(t, p.Run(context.Background(), strings.NewReader(in), &out))
	answers := map[int64]response{}
	for d := json.NewDecoder(&out); ; {
		var r response
		if err := d.Decode(&r); err == io.EOF {
			return answers
		} else if err != nil {
			t.Fatal(err)
		}
		answers[r.ID] = r
	}
}

func TestOutputsComeBack(t *testing.T) {
	store, err := folder.New(filepath.Join(t.TempDir(), "store"))
	artifactstest.Must(t, err)
	defer store.Close()
	p, end := start(t, store)
	large := strings.Repeat("large ", 200_000)
	answers := talk(t, p, get(1, "z")+put(2, "a", "out-a", "content of a")+put(3, "empty", "out-e", "")+put(4, "large", "out-l", large)+
		`{"ID":5,"Command":"close"}`+"\n")
	if a := answers[0]; len(a.KnownCommands) != 3 {
		t.Errorf("it begins with %+v", a)
	}
	if a := answers[1]; !a.Miss {
		t.Errorf("the first get: %+v", a)
	}
	if _, ok := answers[5]; !ok {
		t.Error("close is not answered")
	}
	for id, want := range map[int64]string{2: "content of a", 3: "", 4: large} {
		text, err := os.ReadFile(answers[id].DiskPath)
		if err != nil || string(text) != want {
			t.Errorf("put %d: %.20q, %v (%s)", id, text, err, answers[id].Err)
		}
	}
	end()
	second, end := start(t, store)
	defer end()
	answers = talk(t, second, get(1, "large")+get(2, "nothing"))
	a := answers[1]
	text, err := os.ReadFile(a.DiskPath)
	if a.Miss || string(a.OutputID) != "out-l" || a.Size != int64(len(large)) || a.Time == nil || string(text) != large || err != nil {
		t.Errorf("got %+v, %v", a, err)
	}
	if !answers[2].Miss {
		t.Errorf("got %+v", answers[2])
	}
}

func TestAServerThatIsGoneIsAMiss(t *testing.T) {
	p := &Program{URL: "http://127.0.0.1:1", Token: "x"}
	answers := talk(t, p, get(1, "z")+put(2, "a", "b", "body")+get(3, "a")+`{"ID":4,"Command":"new"}`)
	if !answers[1].Miss || answers[2].Err == "" || !answers[3].Miss || answers[4].Err == "" {
		t.Errorf("answered %+v", answers)
	}
}

// FuzzRun: no input makes it hang or panic, and a body is never taken for a request.
func FuzzRun(f *testing.F) {
	f.Add([]byte(get(1, "a") + put(2, "a", "b", "body") + `{"ID":3,"Command":"close"}`))
	f.Add([]byte(`{"ID":1,"Command":"put","BodySize":10}` + "\n\"AAAA\"\n"))
	f.Add([]byte(`{"ID":1,"Command":"put","BodySize":-1}` + "\n{}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		p := &Program{URL: "http://127.0.0.1:1"}
		var out bytes.Buffer
		_ = p.Run(context.Background(), bytes.NewReader(in), &out)
		for s := bufio.NewScanner(&out); s.Scan(); {
			if !json.Valid(s.Bytes()) {
				t.Errorf("%q is answered by %q", in, s.Text())
			}
		}
	})
}
