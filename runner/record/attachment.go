package record

// Attachment is a file that a test left behind for people to look at, stored with the run.
type Attachment struct {
	Test   string         `json:"test,omitempty"   redact:"-"` // ID of the test; "" if it is not known
	Name   string         `json:"name"`                        // what it is, in a few words
	Source string         `json:"source"`                      // its path in the workspace, or as a report has it
	File   string         `json:"file,omitempty"   redact:"-"` // below the run's records; "" if it is not stored
	Kind   AttachmentKind `json:"kind,omitempty"`
	Role   string         `json:"role,omitempty"   redact:"-"` // in a comparison: expected, actual, difference, or side or stack for all three in one
	Group  int            `json:"group,omitempty"`             // the comparison, from 1
	Bytes  int64          `json:"bytes,omitempty"`
	Width  int            `json:"width,omitempty"` // of an image, in pixels
	Height int            `json:"height,omitempty"`

	Refused string `json:"refused,omitempty"` // why it is not stored
}

// AttachmentKind is what a file is by its content.
type AttachmentKind string

// The kinds of files that are stored.
const (
	ImageFile   AttachmentKind = "image"
	VideoFile   AttachmentKind = "video"
	TextFile    AttachmentKind = "text"
	ArchiveFile AttachmentKind = "archive"
)

// RedactConstant marks a kind as text that holds no secret.
func (AttachmentKind) RedactConstant() {}
