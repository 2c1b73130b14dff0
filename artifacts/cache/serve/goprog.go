package serve

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"
)

// The go command wants a file for each output, which lasts as long as the command. The server keeps them in its folder
// by the hash of their content, and stores them while the go command works on.

// GoOutput is the answer to a request of runner gocacheprog.
type GoOutput struct {
	OutputID string    `json:"output"` // in hexadecimal digits
	Size     int64     `json:"size"`
	Time     time.Time `json:"time"`
	Path     string    `json:"path"`
}

const (
	metaOutput = "output"
	metaTime   = "time"
)

func (s *Server) routeGo(m *http.ServeMux) {
	m.HandleFunc("GET /go/{action}", s.getGo)
	m.HandleFunc("PUT /go/{action}/{output}", s.putGo)
}

func (s *Server) getGo(w http.ResponseWriter, r *http.Request) {
	t, action := s.tool(w, "go"), r.PathValue("action")
	if t == nil || !named(w, action) {
		return
	}
	object := s.get(r.Context(), t, action)
	if object == nil {
		http.Error(w, "output not found", http.StatusNotFound)
		return
	}
	defer object.File.Close()
	out := GoOutput{OutputID: object.Meta[metaOutput], Size: object.Size}
	if out.Time, _ = time.Parse(time.RFC3339Nano, object.Meta[metaTime]); !named(w, out.OutputID) {
		return
	}
	var err error
	if out.Path, err = s.keepOutput(out.OutputID, object.File); err != nil {
		s.Warn(t.name, action, err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	t.hit(object)
	answer(w, http.StatusOK, out)
}

func (s *Server) putGo(w http.ResponseWriter, r *http.Request) {
	t, action, output := s.tool(w, "go"), r.PathValue("action"), r.PathValue("output")
	if t == nil || !named(w, action) || !named(w, output) {
		return
	}
	file, ok := s.receive(w, r)
	if !ok {
		return
	}
	now := time.Now().UTC()
	path, err := s.keepOutput(output, file)
	size, sizeErr := file.Seek(0, io.SeekEnd)
	if err = errors.Join(err, sizeErr); err != nil {
		file.Close()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.backlog <- struct{}{} // the go command waits, so that not all its outputs are open at a time
	s.storing.Add(1)
	go s.storeGo(t, action, output, now, file)
	answer(w, http.StatusOK, GoOutput{output, size, now, path})
}

// storeGo stores an output, a few at a time.
func (s *Server) storeGo(t *tool, action, output string, at time.Time, file *os.File) {
	defer s.storing.Done()
	defer func() { <-s.backlog }()
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	if s.ctx.Err() != nil {
		file.Close()
		return
	}
	s.put(s.ctx, t, action, map[string]string{metaOutput: output, metaTime: at.Format(time.RFC3339Nano)}, file)
}

// keepOutput keeps a copy of a file under the hash of its content, and returns its path.
func (s *Server) keepOutput(output string, from *os.File) (string, error) {
	path := s.path("go-" + output)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	to, err := os.CreateTemp(s.folder, "output-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Link(to.Name(), path) // an output that is there already may be in use
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return path, errors.Join(err, os.Remove(to.Name()))
}
