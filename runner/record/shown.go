package record

// Shown is what a message or a comment that several runs share says of one of them.
type Shown struct {
	Run       Entry           `json:"run"`
	Artifacts []ShownArtifact `json:"artifacts,omitempty"`
	Recovered bool            `json:"recovered,omitempty"` // it passed, and the one before on its branch did not
}

// ShownArtifact is a set that the run published.
type ShownArtifact struct {
	Name     string `json:"name"     redact:"-"`
	Location string `json:"location"`
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
}

// Shown returns what others are shown of the run. Redact the run first.
func (r Run) Shown() Shown {
	s := Shown{Run: r.Entry()}
	for _, a := range r.Artifacts {
		if a.Error == "" {
			s.Artifacts = append(s.Artifacts, ShownArtifact{a.Name, a.Location, a.Files, a.Bytes})
		}
	}
	return s
}

// SamePlace reports whether both are of the same step in the same environment.
func (e Entry) SamePlace(o Entry) bool {
	return e.Step == o.Step && e.Environment == o.Environment && e.Stack == o.Stack
}
