// Package ledger is something to test.
package ledger

// Add adds.
func Add(a, b int) int { return a + b }
