package sourcetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serveLFS serves the objects of Git LFS in the .git of the repositories, and reports whether the request was one for them.
func (s *Server) serveLFS(w http.ResponseWriter, r *http.Request) bool {
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/info/lfs/objects/batch"):
		s.answerBatch(w, r)
	case strings.HasPrefix(path, "/lfs-objects/"):
		oid := strings.TrimPrefix(path, "/lfs-objects/")
		if len(oid) != 64 || strings.Trim(oid, "0123456789abcdef") != "" {
			http.NotFound(w, r)
			return true
		}
		found, _ := filepath.Glob(
			filepath.Join(filepath.Dir(s.dir), "*", ".git", "lfs", "objects", oid[:2], oid[2:4], oid),
		)
		if len(found) == 0 {
			http.NotFound(w, r)
			return true
		}
		http.ServeFile(w, r, found[0])
	default:
		return false
	}
	return true
}

// answerBatch answers where objects can be downloaded.
func (s *Server) answerBatch(w http.ResponseWriter, r *http.Request) {
	type object struct {
		OID     string         `json:"oid"`
		Size    int64          `json:"size"`
		Actions map[string]any `json:"actions,omitempty"`
	}
	var batch struct {
		Transfer string   `json:"transfer"`
		Objects  []object `json:"objects"`
	}
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	batch.Transfer = "basic"
	for i, o := range batch.Objects {
		batch.Objects[i].Actions = map[string]any{"download": map[string]any{
			"href": s.URL + "/lfs-objects/" + o.OID, "header": map[string]string{"Authorization": authorization},
		}}
	}
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	_ = json.NewEncoder(w).Encode(batch)
}

// StoreLFS writes an object of Git LFS into a repository, as a push would, and returns its pointer.
func StoreLFS(t testing.TB, dir, text string) (pointer string) {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	oid := hex.EncodeToString(sum[:])
	folder := filepath.Join(dir, ".git", "lfs", "objects", oid[:2], oid[2:4])
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, oid), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid, len(text))
}
