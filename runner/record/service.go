package record

// Service is what became of a service of a run.
type Service struct {
	Name     string      `json:"name"             redact:"-"`
	Kind     ServiceKind `json:"kind"             redact:"-"`
	Image    string      `json:"image,omitempty"`
	Port     int         `json:"port,omitempty"`
	Ready    float64     `json:"ready_seconds,omitempty"` // how long it took; 0 if it never was
	ExitCode int         `json:"exit_code,omitempty"`
	Killed   bool        `json:"killed,omitempty"` // TERM was not enough
	Error    string      `json:"error,omitempty"`  // why it was not ready, or how it ended before the step did

	Lines   []string `json:"-"` // the end of its output
	Dropped int      `json:"-"` // earlier lines
}

// ServiceKind is how a service is run.
type ServiceKind string

// The kinds of services.
const (
	ServiceCommand   ServiceKind = "command"
	ServiceContainer ServiceKind = "container" // of podman or docker
	ServiceSidecar   ServiceKind = "sidecar"   // a container that the task has
)
