package main

import "testing"

func TestTheCommitIsInTheVersionOfAModuleWithoutATag(t *testing.T) {
	for version, want := range map[string]string{
		"v0.2.1-0.20261130180955-c3d85612e895": "c3d85612e895",
		"v0.0.0-20261130180955-c3d85612e895":   "c3d85612e895",
		"v0.2.0":                               "",
		"v1.0.0-rc.1":                          "",
		"v1.0.0-20261130180955-c3d85612e89z":   "",
		"(devel)":                              "",
		"":                                     "",
	} {
		if got := commitOf(version); got != want {
			t.Errorf("%q: %q, want %q", version, got, want)
		}
	}
}
