package record

import "time"

// Details are the facts that finished.json leaves out and package present needs.
type Details struct {
	Command        string // as it is in runner.yaml
	CommandStarted bool
	Variables      []string // names of the command's variables
	Recorded       bool     // the run has records in the store; refused input leaves none

	Place string // the store's location: s3://bucket/prefix, or a folder
	Key   string `redact:"-"` // the folder of the run's records in the store
	Root  string `redact:"-"` // leads from that folder to the root of the store: "../../../../../"

	Repository    string // owner/name on GitHub, or ""
	RepositoryURL string // for a browser, or ""
	RefType       string `redact:"-"` // branch or tag
	Actor         string // who caused the run, or ""

	TaskARN   string         `redact:"-"`
	LogURL    string         `redact:"-"` // of the log stream in AWS's console, or ""
	Cluster   string         `redact:"-"` // "local" outside of a cluster
	ColdStart *time.Duration // from the start of the image's pull to that of the runner; nil if unknown

	Deployment *Deployment // nil for a step that changes no environment, or did not get that far
}

// Deployment is how an environment was changed, beyond what Delivery has. Delivery is nil if the run ended while it
// waited for the lock.
type Deployment struct {
	HasStack bool         // a stack is watched; otherwise only the environment is locked
	Before   string       `redact:"-"` // the stack's status before the command
	Replaced *Revision    // what was live before
	Undoes   string       `redact:"-"` // the run that this rollback undid
	Forced   bool         // over a newer commit, if there was one
	Key      string       `redact:"-"` // of the deployment's own record
	Waited   []string     // the holders of the lock that the run waited for
	Events   []StackEvent // of the stack and of its rollback, the newest, in order
	Dropped  int          // older events
}

// Revision is a commit in an environment.
type Revision struct {
	RunID     string            `json:"run_id"               redact:"-"`
	SHA       string            `json:"sha"                  redact:"-"`
	Branch    string            `json:"branch"               redact:"-"`
	Committed time.Time         `json:"commit_time,omitzero"`
	Built     time.Time         `json:"build_time,omitzero"`
	Builds    map[string]string `json:"builds,omitempty"     redact:"-"` // SHA-256 of the files, by kind
	At        time.Time         `json:"at"`
}

// StackEvent is an event of a stack, or a step of its rollback.
type StackEvent struct {
	At       time.Time
	Resource string
	Type     string `redact:"-"`
	Status   string `redact:"-"`
	Reason   string
	Failed   bool
}
