package main

import (
	"strings"

	"github.com/carlin-cicd/runner/steps"
)

// nearest returns the candidate that a word abbreviates, else the one that it is a typing error of, or "".
func nearest(word string, candidates []string) string {
	var longer []string
	for _, c := range candidates {
		if len(word) > 2 && strings.HasPrefix(c, word) {
			longer = append(longer, c)
		}
	}
	if len(longer) == 1 {
		return longer[0]
	}
	return steps.Nearest(word, candidates)
}
