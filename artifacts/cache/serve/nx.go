package serve

import (
	"net/http"
)

// The protocol of Nx for remote caches of one's own: an object is an archive of a task's outputs, under its hash.

func (s *Server) routeNx(m *http.ServeMux) {
	m.HandleFunc("GET /v1/cache/{hash}", s.getNx)
	m.HandleFunc("PUT /v1/cache/{hash}", s.putNx)
}

func (s *Server) getNx(w http.ResponseWriter, r *http.Request) {
	t, hash := s.tool(w, "nx"), r.PathValue("hash")
	if t == nil || !named(w, hash) {
		return
	}
	object := s.get(r.Context(), t, hash)
	if object == nil {
		http.Error(w, "object not found", http.StatusNotFound)
		return
	}
	defer object.File.Close()
	t.send(w, r, object)
}

func (s *Server) putNx(w http.ResponseWriter, r *http.Request) {
	t, hash := s.tool(w, "nx"), r.PathValue("hash")
	if t == nil || !named(w, hash) {
		return
	}
	if file, ok := s.receive(w, r); ok {
		s.put(s.ctx, t, hash, nil, file)
		w.WriteHeader(http.StatusOK)
	}
}
