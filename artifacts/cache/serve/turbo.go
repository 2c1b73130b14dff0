package serve

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/carlin-cicd/runner/artifacts/cache"
)

// Turborepo's protocol: an object is that of a task, under the hash of its inputs. With it come how long the task took
// and, if the repository signs its objects, a signature.

const (
	turboDuration = "X-Artifact-Duration"
	turboTag      = "X-Artifact-Tag"
)

// turboHeaders are kept with an object.
var turboHeaders = []string{turboDuration, turboTag, "X-Artifact-Sha", "X-Artifact-Dirty-Hash"}

func (s *Server) routeTurbo(m *http.ServeMux) {
	m.HandleFunc("GET /v8/artifacts/status", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "enabled"})
	})
	m.HandleFunc("POST /v8/artifacts/events", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // statistics, of which the server has its own
		answer(w, http.StatusOK, map[string]string{})
	})
	m.HandleFunc("POST /v8/artifacts", s.findTurbo)
	m.HandleFunc("GET /v8/artifacts/{hash}", s.getTurbo) // HEAD, too
	m.HandleFunc("PUT /v8/artifacts/{hash}", s.putTurbo)
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the tool has gone
}

// turboObject returns an object whose signature is right.
func (s *Server) turboObject(r *http.Request, t *tool, hash string) *cache.Object {
	object := s.get(r.Context(), t, hash)
	if object == nil {
		return nil
	}
	if err := s.checkSignature(r, hash, object.Meta[turboTag], object.File); err != nil {
		s.Warn(t.name, hash, err)
		t.misses.Add(1)
		object.File.Close()
		return nil
	}
	return object
}

func (s *Server) getTurbo(w http.ResponseWriter, r *http.Request) {
	t, hash := s.tool(w, "turbo"), r.PathValue("hash")
	if t == nil || !named(w, hash) {
		return
	}
	object := s.turboObject(r, t, hash)
	if object == nil {
		http.Error(w, "object not found", http.StatusNotFound)
		return
	}
	defer object.File.Close()
	for _, name := range turboHeaders {
		if v := object.Meta[name]; v != "" {
			w.Header().Set(name, v)
		}
	}
	t.send(w, r, object)
}

func (s *Server) putTurbo(w http.ResponseWriter, r *http.Request) {
	t, hash := s.tool(w, "turbo"), r.PathValue("hash")
	if t == nil || !named(w, hash) {
		return
	}
	file, ok := s.receive(w, r)
	if !ok {
		return
	}
	if err := s.checkSignature(r, hash, r.Header.Get(turboTag), file); err != nil {
		file.Close()
		s.Warn(t.name, hash, err)
		reason := map[string]string{"code": "forbidden", "message": err.Error()}
		answer(w, http.StatusForbidden, map[string]any{"error": reason})
		return
	}
	meta := map[string]string{}
	for _, name := range turboHeaders {
		if v := r.Header.Get(name); v != "" {
			meta[name] = v
		}
	}
	s.put(s.ctx, t, hash, meta, file)
	answer(w, http.StatusAccepted, map[string][]string{"urls": {s.URL() + "/v8/artifacts/" + hash}})
}

// findTurbo says of several hashes which have an object.
func (s *Server) findTurbo(w http.ResponseWriter, r *http.Request) {
	t := s.tool(w, "turbo")
	if t == nil {
		return
	}
	var query struct {
		Hashes []string `json:"hashes"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&query); err != nil {
		http.Error(w, "this is not a list of hashes", http.StatusBadRequest)
		return
	}
	found := map[string]any{}
	for _, hash := range query.Hashes {
		object := s.turboObject(r, t, hash)
		if object == nil {
			found[hash] = nil
			continue
		}
		object.File.Close()
		took, _ := strconv.ParseInt(object.Meta[turboDuration], 10, 64) // 0 if it is unknown
		found[hash] = map[string]any{"size": object.Size, "taskDurationMs": took, "tag": object.Meta[turboTag]}
	}
	answer(w, http.StatusOK, found)
}

var errSignature = errors.New("its signature is missing or not that of TURBO_REMOTE_CACHE_SIGNATURE_KEY")

// checkSignature verifies the signature of an object, if the key is known. It is an HMAC of the hash, the team's id and
// the content; in newer versions of turbo each of them, and the name of the scheme, comes behind its length.
func (s *Server) checkSignature(r *http.Request, hash, tag string, file *os.File) error {
	if s.SignatureKey == "" {
		return nil
	}
	given, err := base64.StdEncoding.DecodeString(tag)
	if err != nil || len(given) == 0 {
		return errSignature
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	team := r.URL.Query().Get("teamId")
	plain, framed := hmac.New(sha256.New, []byte(s.SignatureKey)), hmac.New(sha256.New, []byte(s.SignatureKey))
	plain.Write([]byte(hash + team))
	for _, field := range []string{"artifact-signature:v2", hash, team} {
		framed.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(field))))
		framed.Write([]byte(field))
	}
	framed.Write(binary.LittleEndian.AppendUint64(nil, uint64(size)))
	if _, err := io.Copy(io.MultiWriter(plain, framed), file); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if !hmac.Equal(framed.Sum(nil), given) && !hmac.Equal(plain.Sum(nil), given) {
		return errSignature
	}
	return nil
}
