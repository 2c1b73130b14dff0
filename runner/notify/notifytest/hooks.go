package notifytest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Hook is a webhook of the repository.
type Hook struct {
	ID     int64    `json:"id"`
	Name   string   `json:"name"`
	Active bool     `json:"active"`
	Events []string `json:"events"`
	Config struct {
		URL         string `json:"url"`
		ContentType string `json:"content_type"`
		Secret      string `json:"secret,omitempty"`
		InsecureSSL string `json:"insecure_ssl"`
	} `json:"config"`
}

// Hooks returns the webhooks of the repository, with their secrets, which the API does not show.
func (g *GitHub) Hooks() []Hook {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.hooks)
}

// ForgetHooks removes them.
func (g *GitHub) ForgetHooks() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks = nil
}

func (g *GitHub) serveHooks(mux *http.ServeMux) {
	writing := func(h http.HandlerFunc) http.HandlerFunc {
		return g.known(func(w http.ResponseWriter, r *http.Request) {
			if g.ReadsOnly { // as GitHub answers who may not even read them
				g.answer(w, http.StatusNotFound, "Not Found")
				return
			}
			h(w, r)
		})
	}
	mux.HandleFunc("GET /repos/{owner}/{name}/hooks", writing(func(w http.ResponseWriter, _ *http.Request) {
		shown := g.Hooks()
		for i := range shown {
			shown[i].Config.Secret = "********"
		}
		_ = json.NewEncoder(w).Encode(append([]Hook{}, shown...))
	}))
	mux.HandleFunc("POST /repos/{owner}/{name}/hooks", writing(g.addHook))
	mux.HandleFunc("DELETE /repos/{owner}/{name}/hooks/{id}", writing(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		before := len(g.hooks)
		g.hooks = slices.DeleteFunc(g.hooks, func(h Hook) bool { return strconv.FormatInt(h.ID, 10) == r.PathValue("id") })
		removed := len(g.hooks) < before
		g.mu.Unlock()
		if !removed {
			g.answer(w, http.StatusNotFound, "Not Found")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
}

func (g *GitHub) addHook(w http.ResponseWriter, r *http.Request) {
	h := Hook{Active: true, Events: []string{"push"}}
	switch err := json.NewDecoder(r.Body).Decode(&h); {
	case err != nil:
		g.answer(w, http.StatusBadRequest, "Problems parsing JSON")
	case h.Name != "web" || !strings.HasPrefix(h.Config.URL, "https://"):
		g.answer(w, http.StatusUnprocessableEntity, "Validation Failed", "url")
	case slices.ContainsFunc(g.Hooks(), func(other Hook) bool { return other.Config.URL == h.Config.URL }):
		g.answer(w, http.StatusUnprocessableEntity, "Hook already exists on this repository")
	default:
		g.mu.Lock()
		h.ID = int64(len(g.hooks)) + 12345678
		g.hooks = append(g.hooks, h)
		g.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		h.Config.Secret = "********"
		_ = json.NewEncoder(w).Encode(h)
	}
}
