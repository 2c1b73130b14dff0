// Package ledger is something to cover.
package ledger

// Sign tells a credit from a debit.
func Sign(n int) string {
	if n > 0 {
		return "credit"
	}
	if n < 0 {
		return "debit"
	}
	return "even"
}
