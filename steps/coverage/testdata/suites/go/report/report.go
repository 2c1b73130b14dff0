// Package report is something to cover, too.
package report

import "example.com/ledger/ledger"

// All joins signs.
func All(ns ...int) (all string) {
	for _, n := range ns {
		all += ledger.Sign(n) + "\n"
	}
	if all == "" {
		return "nothing"
	}
	return all
}
