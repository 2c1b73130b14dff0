package record

// Cache is what a run did with one of its caches.
type Cache struct {
	Name    string  `json:"name"              redact:"-"`
	Hit     Hit     `json:"hit"               redact:"-"`
	Branch  string  `json:"branch,omitempty"  redact:"-"` // whose entry was restored
	From    string  `json:"from,omitempty"    redact:"-"` // the run that saved it
	Files   int     `json:"files,omitempty"`
	Bytes   int64   `json:"bytes,omitempty"`  // of the files that were restored
	Loaded  int64   `json:"loaded,omitempty"` // bytes that were read from the store
	Restore float64 `json:"restore_seconds"`
	Note    string  `json:"note,omitempty"` // why nothing was restored, if there is a reason

	Save     Save    `json:"save,omitempty"      redact:"-"`
	SaveNote string  `json:"save_note,omitempty"` // why it was not saved
	Kept     int64   `json:"saved_bytes,omitempty"`
	Added    int64   `json:"added,omitempty"` // bytes that were stored
	Saving   float64 `json:"save_seconds"`
	Pruned   int     `json:"pruned,omitempty"` // older entries that were removed for the budget

	Tool *ToolCache `json:"tool,omitempty"` // for one that is served to a tool by its own protocol
}

// ToolCache counts the requests of a tool.
type ToolCache struct {
	Hits     int `json:"hits"`
	Misses   int `json:"misses"`
	Stored   int `json:"stored"`
	Withheld int `json:"withheld,omitempty"` // objects that hold a secret and were not stored
}

// Hit is how much of a cache was there.
type Hit string

// The kinds of hits.
const (
	ExactHit Hit = "exact" // an entry for the same key
	OlderHit Hit = "older" // the newest of its name
	Miss     Hit = "miss"
	NoHit    Hit = "none" // nothing was asked for
)

// Save is what became of an entry after the command.
type Save string

// The ends of a save.
const (
	SaveDone      Save = "saved"
	SaveUnchanged Save = "unchanged" // there is an entry for the key
	SaveWithheld  Save = "withheld"  // a file holds a secret
	SaveFailed    Save = "failed"
	SaveNone      Save = "none"
)
