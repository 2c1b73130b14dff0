// Package outcome names how a test ended in a run, by the characters of a history. It is apart from the history so that
// what shows a strip of outcomes needs no store.
package outcome

// Outcome is how a test ended in a run: the character that stands for it.
type Outcome rune

// The outcomes of a test in a run: untyped, so that they compare with the bytes of a row, too.
const (
	Missing = '-' // it did not run
	Skipped = 's' // in a sample; a row keeps it in its times, so that older versions can read the table
	Passed  = '.'
	Flaky   = '~' // it failed and passed
	Failed  = 'F'
)

// String returns the word for an outcome.
func (o Outcome) String() string {
	switch o {
	case Skipped:
		return "skipped"
	case Passed:
		return "passed"
	case Flaky:
		return "flaky"
	case Failed:
		return "failed"
	}
	return "missing"
}
