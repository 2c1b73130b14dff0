package redact

import "errors"

// Limits of what a command may mask at run time. A command that masks more gets no further output, since a value
// that is not known cannot be redacted.
const (
	maxMasks     = 10_000
	maxMaskBytes = 1 << 20
)

// Masks within these limits are looked for in as many forms as other secrets; further ones in the forms that logs
// are likely to have (coreFormsOf), so that thousands do not take the memory and the time of the step.
const (
	maxFullMasks     = 256
	maxFullMaskBytes = 32 << 10
)

// masks are the values that were masked at run time.
type masks struct {
	values   map[string]bool
	bytes    int
	exceeded bool
}

// ErrTooManyMasks is returned by writers that obey masking commands once there were too many: more than 10,000,
// or more than 1 MiB of values. Nothing is written after that.
var ErrTooManyMasks = errors.New("the command masked too many values, so its further output is withheld")

// addMask makes the redactor look for a value that the command asks to mask.
func (r *Redactor) addMask(value string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &r.masks
	if m.exceeded {
		return ErrTooManyMasks
	}
	if value == "" || m.values[value] {
		return nil
	}
	if len(m.values) == maxMasks || m.bytes+len(value) > maxMaskBytes {
		m.exceeded = true
		return ErrTooManyMasks
	}
	if m.values == nil {
		m.values = map[string]bool{}
	}
	m.values[value] = true
	m.bytes += len(value)
	forms := formsOf
	if len(m.values) > maxFullMasks || m.bytes > maxFullMaskBytes {
		forms = coreFormsOf
	}
	r.add(Secret{Name: "add-mask", Value: value}, forms)
	return nil
}

// MasksExceeded reports whether a command masked more values than the redactor accepts. Its output, and the files
// it wrote, may hold values that are not redacted.
func (r *Redactor) MasksExceeded() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.masks.exceeded
}
