package notifytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// GitHub is the API of one repository, for one token.
type GitHub struct {
	Service
	Token      string
	Repository string // owner/name
	SHA        string // the only commit
	Private    bool
	Scopes     string // of a classic token; "" for any other kind
	ReadsOnly  bool   // the token may not set statuses
	App        bool   // the token is that of an app, and may create checks
	Pull       Pull   // of the commit

	hooks []Hook
}

// Start returns the URL of the API and a function that stops the server.
func (g *GitHub) Start() (address string, stop func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /repos/{owner}/{name}", g.known(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"full_name":%q,"private":%v}`, g.Repository, g.Private)
	}))
	mux.HandleFunc("POST /repos/{owner}/{name}/statuses/{sha}", g.known(g.status))
	mux.HandleFunc("POST /repos/{owner}/{name}/check-runs", g.known(g.check))
	g.servePulls(mux)
	g.serveHooks(mux)
	return g.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http-client"):
			g.answer(w, http.StatusForbidden, "Request forbidden by administrative rules: name yourself as User-Agent")
		case r.Header.Get("Authorization") != "Bearer "+g.Token:
			g.answer(w, http.StatusUnauthorized, "Bad credentials")
		default:
			if g.Scopes != "" {
				w.Header().Set("X-OAuth-Scopes", g.Scopes)
			}
			mux.ServeHTTP(w, r)
		}
	}))
}

// known answers 404 for repositories that the token has no access to.
func (g *GitHub) known(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("owner")+"/"+r.PathValue("name") != g.Repository {
			g.answer(w, http.StatusNotFound, "Not Found")
			return
		}
		h(w, r)
	}
}

// answer refuses a request in the format of GitHub.
func (g *GitHub) answer(w http.ResponseWriter, status int, message string, fields ...string) {
	g.refuse(strings.Join(append([]string{fmt.Sprint(status), message}, fields...), " "))
	type field struct {
		Resource, Code, Field string
	}
	said := struct {
		Message string  `json:"message"`
		Errors  []field `json:"errors,omitempty"`
	}{Message: message}
	for _, name := range fields {
		said.Errors = append(said.Errors, field{"Status", "custom", name})
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(said)
}

func (g *GitHub) status(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var kept map[string]any
	var m struct {
		State, Description, Context string
		Target                      *string `json:"target_url"`
	}
	switch {
	case g.ReadsOnly:
		g.answer(w, http.StatusForbidden, "Resource not accessible by personal access token")
	case json.Unmarshal(body, &m) != nil || json.Unmarshal(body, &kept) != nil:
		g.answer(w, http.StatusBadRequest, "Problems parsing JSON")
	case r.PathValue("sha") != g.SHA:
		g.answer(w, http.StatusUnprocessableEntity, "No commit found for SHA: "+r.PathValue("sha"))
	case !slices.Contains([]string{"error", "failure", "pending", "success"}, m.State):
		g.answer(w, http.StatusUnprocessableEntity, "Validation Failed", "state")
	case utf8.RuneCountInString(m.Description) > 140:
		g.answer(w, http.StatusUnprocessableEntity, "Validation Failed", "description")
	case m.Context == "" || len(m.Context) > 255:
		g.answer(w, http.StatusUnprocessableEntity, "Validation Failed", "context")
	case m.Target != nil && !isLink(*m.Target):
		g.answer(w, http.StatusUnprocessableEntity, "Validation Failed", "target_url")
	default:
		g.take("status", string(body), kept)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "{}")
	}
}

type annotation struct {
	Path, Message, Title string
	Level                string `json:"annotation_level"`
	Start                int    `json:"start_line"`
	End                  int    `json:"end_line"`
	Raw                  string `json:"raw_details"`
}

func (a annotation) fits() bool {
	return a.Path != "" && path.Clean(a.Path) == a.Path && !path.IsAbs(a.Path) && !strings.HasPrefix(a.Path, "..") && a.Start >= 1 && a.End >= a.Start &&
		a.Message != "" && len(a.Message) <= 64<<10 &&
		utf8.RuneCountInString(a.Title) <= 255 &&
		len(a.Raw) <= 64<<10 &&
		slices.Contains([]string{"notice", "warning", "failure"}, a.Level)
}

// checkID is the id of every check.
const checkID = "4711"

// check accepts a check run, and more annotations for it: https://docs.github.com/rest/checks/runs
func (g *GitHub) check(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var kept map[string]any
	var m struct {
		Name, Status, Conclusion string
		HeadSHA                  string  `json:"head_sha"`
		Details                  *string `json:"details_url"`
		Output                   struct {
			Title, Summary string
			Annotations    []annotation
		}
	}
	switch {
	case !g.App:
		g.answer(w, http.StatusForbidden, "You must authenticate via a GitHub App.")
	case json.Unmarshal(body, &m) != nil || json.Unmarshal(body, &kept) != nil:
		g.answer(w, http.StatusBadRequest, "Problems parsing JSON")
	case r.Method == http.MethodPatch && r.PathValue("id") != checkID:
		g.answer(w, http.StatusNotFound, "Not Found")
	case r.Method == http.MethodPost && m.HeadSHA != g.SHA:
		g.answer(w, http.StatusUnprocessableEntity, "No commit found for SHA: "+m.HeadSHA)
	case m.Name == "" || r.Method == http.MethodPost && m.Status != "completed":
		g.answer(w, http.StatusUnprocessableEntity, "Invalid request.", "status")
	case r.Method == http.MethodPost && !slices.Contains([]string{"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"}, m.Conclusion):
		g.answer(w, http.StatusUnprocessableEntity, "Invalid request.", "conclusion")
	case m.Details != nil && !isLink(*m.Details):
		g.answer(w, http.StatusUnprocessableEntity, "Invalid request.", "details_url")
	case m.Output.Title == "" || m.Output.Summary == "" || len(m.Output.Summary) > 65535 || len(m.Output.Annotations) > 50:
		g.answer(w, http.StatusUnprocessableEntity, "Invalid request.", "output")
	case slices.ContainsFunc(m.Output.Annotations, func(a annotation) bool { return !a.fits() }):
		g.answer(w, http.StatusUnprocessableEntity, "Invalid request.", "annotations")
	default:
		if r.Method == http.MethodPatch {
			g.take("more", string(body), kept)
		} else {
			g.take("check", string(body), kept)
			w.WriteHeader(http.StatusCreated)
		}
		fmt.Fprintf(w, `{"id":%s}`, checkID)
	}
}
