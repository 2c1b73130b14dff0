// Package serve serves a cache on loopback, by the protocols that tools have for remote caches: Turborepo's, that of
// Nx, and one for runner gocacheprog, which speaks GOCACHEPROG with the go command.
//
// A request carries a random token that only this run's commands know. A tool never fails for its cache: what cannot be
// read is a miss, and what is not stored counts as stored.
package serve

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carlin-cicd/runner/artifacts/cache"
)

// Counts are the requests of a tool.
type Counts struct {
	Hits, Misses, Stored, Withheld int
	Loaded, Added                  int64 // bytes of the objects
}

// Server serves tools until it is closed.
type Server struct {
	// Warn gets what the tool does not see: an object that is damaged, withheld or could not be stored.
	Warn func(tool, name string, err error)
	// SignatureKey verifies the signatures of turbo's objects; "": they are not looked at.
	SignatureKey string

	token    string
	folder   string // for temporary files
	listener net.Listener
	http     *http.Server
	ctx      context.Context // of what outlasts a request
	stop     context.CancelFunc
	tools    map[string]*tool
	storing  sync.WaitGroup
	slots    chan struct{} // of requests to the store
	backlog  chan struct{} // of outputs that are to be stored
}

// tool is one that is served.
type tool struct {
	name    string
	objects *cache.Objects

	hits, misses, stored, withheld atomic.Int64
	loaded, added                  atomic.Int64
}

// Start listens on a free port. The server has a folder for temporary files, which is removed when it is closed.
func Start(ctx context.Context, folder string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		Warn: func(string, string, error) {}, token: strings.ToLower(rand.Text()), folder: folder, listener: l,
		tools: map[string]*tool{}, slots: make(chan struct{}, 8),
		backlog: make(chan struct{}, 64),
	}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	routes := http.NewServeMux()
	s.routeTurbo(routes)
	s.routeNx(routes)
	s.routeGo(routes)
	s.http = &http.Server{Handler: s.authorized(routes), ReadHeaderTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	go func() { _ = s.http.Serve(l) }() // it ends when it is closed
	return s, nil
}

// Serve adds a tool: turbo, nx or go. It is called before the tool's first request.
func (s *Server) Serve(o *cache.Objects) {
	o.Temp = s.temp
	s.tools[o.Tool] = &tool{name: o.Tool, objects: o}
}

// URL and Token are what a tool needs to know.
func (s *Server) URL() string   { return "http://" + s.listener.Addr().String() }
func (s *Server) Token() string { return s.token }

// Counts returns those of a tool.
func (s *Server) Counts(name string) Counts {
	t := s.tools[name]
	return Counts{
		int(t.hits.Load()), int(t.misses.Load()), int(t.stored.Load()), int(t.withheld.Load()),
		t.loaded.Load(), t.added.Load(),
	}
}

// Close waits until everything is stored, or ctx ends, and removes the temporary files.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	stored := make(chan struct{})
	go func() {
		s.storing.Wait()
		close(stored)
	}()
	select {
	case <-stored:
	case <-ctx.Done():
		err = errors.Join(err, context.Cause(ctx))
	}
	s.stop()
	<-stored
	return errors.Join(err, s.http.Close(), os.RemoveAll(s.folder))
}

// authorized refuses requests without the token.
func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(s.token)) != 1 {
			http.Error(w, "the token is not that of this run", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// temp returns a temporary file without a name.
func (s *Server) temp() (*os.File, error) {
	f, err := os.CreateTemp(s.folder, "object-*")
	if err == nil {
		_ = os.Remove(f.Name()) // the folder is removed at the end
	}
	return f, err
}

// named reports whether a tool's name for an object is one, and answers otherwise.
func named(w http.ResponseWriter, name string) bool {
	plain := name != "" && len(name) <= 256 && strings.IndexFunc(name, func(r rune) bool {
		return !(r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) < 0
	if !plain {
		http.Error(w, "this is not a hash", http.StatusBadRequest)
	}
	return plain
}

// get returns an object, or nil for a miss.
func (s *Server) get(ctx context.Context, t *tool, name string) *cache.Object {
	object, err := t.objects.Get(ctx, name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.Warn(t.name, name, err)
		}
		t.misses.Add(1)
		return nil
	}
	return object
}

// hit counts one.
func (t *tool) hit(o *cache.Object) {
	t.hits.Add(1)
	t.loaded.Add(o.Size)
}

// put stores an object. The file is closed.
func (s *Server) put(ctx context.Context, t *tool, name string, meta map[string]string, file *os.File) {
	defer file.Close()
	var secret *cache.SecretError
	err := t.objects.Put(ctx, name, meta, file)
	switch {
	case err == nil:
		t.stored.Add(1)
		if info, err := file.Stat(); err == nil {
			t.added.Add(info.Size())
		}
	case errors.Is(err, fs.ErrExist), errors.Is(err, cache.ErrReadOnly):
	case errors.As(err, &secret):
		t.withheld.Add(1)
		s.Warn(t.name, name, err)
	default:
		s.Warn(t.name, name, err)
	}
}

// receive reads the body of a request into a temporary file.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) (*os.File, bool) {
	file, err := s.temp()
	if err == nil {
		if _, err = file.ReadFrom(r.Body); err == nil {
			return file, true
		}
		file.Close()
	}
	http.Error(w, "the object could not be received: "+err.Error(), http.StatusInternalServerError)
	return nil, false
}

// tool returns one by its name, or answers that it is not served.
func (s *Server) tool(w http.ResponseWriter, name string) *tool {
	t := s.tools[name]
	if t == nil {
		http.Error(w, "the step has no cache for "+name, http.StatusNotFound)
	}
	return t
}

// path returns a path in the server's folder.
func (s *Server) path(name string) string { return filepath.Join(s.folder, name) }

// send writes an object as the answer to GET, or its size to HEAD.
func (t *tool) send(w http.ResponseWriter, r *http.Request, object *cache.Object) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(object.Size, 10))
	if r.Method == http.MethodHead {
		return
	}
	t.hit(object)
	_, _ = io.Copy(w, object.File) // the tool has gone
}
