package pipeline

import (
	"fmt"
	"testing"
)

func TestWhatApprovalComesNext(t *testing.T) {
	plan := Plan{Stages: []Stage{
		{Jobs: []Job{{Steps: []string{"test"}}, {Steps: []string{"lint", "build"}}}},
		{Approval: "staging"},
		{Environment: "staging", Steps: []string{"migrate", "deploy"}},
		{Approval: "production"},
		{Environment: "production", Steps: []string{"deploy"}},
	}}
	for of, want := range map[[2]string]string{
		{"build", ""}: "staging after [test lint build]", {"deploy", "staging"}: "production after [migrate@staging deploy@staging]",
		{"deploy", "production"}: "", {"deploy", ""}: "", {"other", ""}: "",
	} {
		got := ""
		if a := plan.Awaits(of[0], of[1]); a != nil {
			got = fmt.Sprintf("%s after %v", a.Environment, a.Steps)
		}
		if got != want {
			t.Errorf("%v: %q, want %q", of, got, want)
		}
	}
}
