package notifytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Pull is the open pull request of the commit of a GitHub.
type Pull struct {
	Number  int
	Fork    bool
	Denied  bool // the token may not write comments
	Others  int  // comments of people before any of ours
	comment map[int]string
	next    int
}

const maxComment = 65536

// Comments returns the comments of the pull request, apart from those of people.
func (g *GitHub) Comments() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for id := 1; id <= g.Pull.next; id++ {
		if text, ok := g.Pull.comment[id]; ok {
			all = append(all, text)
		}
	}
	return all
}

// Forget deletes the comments.
func (g *GitHub) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.Pull.comment)
}

func (g *GitHub) servePulls(mux *http.ServeMux) {
	g.Pull.comment = map[int]string{}
	mux.HandleFunc("GET /repos/{owner}/{name}/commits/{sha}/pulls", g.known(g.pulls))
	mux.HandleFunc("GET /repos/{owner}/{name}/issues/{number}/comments", g.known(g.listComments))
	mux.HandleFunc("POST /repos/{owner}/{name}/issues/{number}/comments", g.known(g.writeComment))
	mux.HandleFunc("PATCH /repos/{owner}/{name}/issues/comments/{id}", g.known(g.writeComment))
	mux.HandleFunc("PATCH /repos/{owner}/{name}/check-runs/{id}", g.known(g.check))
}

func (g *GitHub) pulls(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("sha") != g.SHA {
		g.answer(w, http.StatusUnprocessableEntity, "No commit found for SHA: "+r.PathValue("sha"))
		return
	}
	head := g.Repository
	if g.Pull.Fork {
		head = "stranger/shop"
	}
	all := []any{map[string]any{ // a closed one of the same commit
		"number": 1, "state": "closed", "head": map[string]any{"sha": g.SHA, "repo": map[string]any{"full_name": g.Repository}},
	}}
	if g.Pull.Number > 0 {
		all = append(all, map[string]any{
			"number": g.Pull.Number, "state": "open", "base": map[string]any{"ref": "main"},
			"head": map[string]any{"sha": g.SHA, "repo": map[string]any{"full_name": head}},
		})
	}
	_ = json.NewEncoder(w).Encode(all)
}

func (g *GitHub) listComments(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []map[string]any
	for i := range g.Pull.Others {
		all = append(all, map[string]any{"id": 1000 + i, "body": "I think <!-- carlin-cicd runner: is nice"})
	}
	for id := 1; id <= g.Pull.next; id++ {
		if text, ok := g.Pull.comment[id]; ok {
			all = append(all, map[string]any{"id": id, "body": text})
		}
	}
	page, size = max(page, 1), max(size, 1)
	from := min((page-1)*size, len(all))
	if from+size < len(all) {
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=%d>; rel="next"`, r.Host, r.URL.Path, page+1))
	}
	_ = json.NewEncoder(w).Encode(slices.Clip(all[from:min(from+size, len(all))]))
}

func (g *GitHub) writeComment(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m struct{ Body string }
	switch {
	case g.Pull.Denied:
		g.answer(w, http.StatusForbidden, "Resource not accessible by integration")
		return
	case json.Unmarshal(body, &m) != nil || m.Body == "" || utf8.RuneCountInString(m.Body) > maxComment:
		g.answer(w, http.StatusUnprocessableEntity, "Validation Failed", "body")
		return
	case r.PathValue("number") != "" && r.PathValue("number") != strconv.Itoa(g.Pull.Number):
		g.answer(w, http.StatusNotFound, "Not Found")
		return
	}
	g.mu.Lock()
	id, kind := g.Pull.next+1, "comment"
	if text := r.PathValue("id"); text != "" {
		id, _ = strconv.Atoi(text)
		if _, ok := g.Pull.comment[id]; !ok {
			g.mu.Unlock()
			g.answer(w, http.StatusNotFound, "Not Found")
			return
		}
		kind = "change"
	}
	g.Pull.comment[id], g.Pull.next = m.Body, max(g.Pull.next, id)
	g.mu.Unlock()
	g.take(kind, m.Body, map[string]any{"body": strings.Split(m.Body, "\n")})
	if kind == "comment" {
		w.WriteHeader(http.StatusCreated)
	}
	fmt.Fprintf(w, `{"id":%d}`, id)
}
