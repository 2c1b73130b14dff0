package stack_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/deploy/stack/stacktest"
	"github.com/carlin-cicd/runner/runner/record"
)

func TestEventsAreEmittedOnceInOrderSinceTheSnapshot(t *testing.T) {
	f := stacktest.New(t)
	s, before := made(t, f, first)
	want := []string{"web UPDATE_IN_PROGRESS"}
	f.Pass("web", begun)
	for _, name := range []string{"A", "B", "C", "D", "E", "F", "G", "H", "I"} { // more than a page
		f.Pass("web", failing(name, "CREATE_COMPLETE", ""))
		want = append(want, name+" CREATE_COMPLETE")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	last := s.Follow(ctx, before, func(e stack.Event) {
		got = append(got, e.Resource+" "+e.Status)
		switch len(got) {
		case 10:
			want = append(want, "web UPDATE_COMPLETE")
			f.Pass("web", step{Status: "UPDATE_COMPLETE"})
		case 11:
			cancel()
		}
	})
	if !slices.Equal(got, want) {
		t.Errorf("told\n%v\nwant\n%v", got, want)
	}
	again := 0
	if s.EmitEvents(t.Context(), before, last, func(stack.Event) { again++ }); again > 0 {
		t.Errorf("%d events are emitted twice", again)
	}
}

func TestAStoredSnapshotContainsNoSecret(t *testing.T) {
	before := stack.Snapshot{
		Status: "CREATE_COMPLETE", Template: "a: s3cr3t", Tags: map[string]string{"t": "s3cr3t"}, Outputs: map[string]string{"URL": "x?k=s3cr3t", "API_TOKEN": "other"},
		Parameters: []stack.Parameter{
			{Key: "Plain", Value: "1"},
			{Key: "Known", Value: "s3cr3t"},
			{Key: "DB_PASSWORD", Value: "other"},
		},
	}
	stored := before.Redacted(
		func(s string) string { return strings.ReplaceAll(s, "s3cr3t", "[X]") },
		func(name string) bool {
			return strings.HasSuffix(name, "_PASSWORD") || strings.HasSuffix(name, "_TOKEN")
		},
	)
	text, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); strings.Contains(s, "s3cr3t") || strings.Contains(s, "other") {
		t.Errorf("stored is %s", s)
	}
	if want := []string{"output API_TOKEN", "output URL", "tag t", "template"}; !slices.Equal(
		slices.Sorted(slices.Values(stored.Altered)),
		want,
	) {
		t.Errorf("altered is %v, want %v", stored.Altered, want)
	}
	if before.Tags["t"] != "s3cr3t" || before.Parameters[1].Value != "s3cr3t" {
		t.Error("the snapshot itself was changed")
	}
}

func TestATemplateThatContainedSecretsIsNotApplied(t *testing.T) {
	f := stacktest.New(t)
	s, before := made(t, f, first)
	before.Template, before.Altered = "x", []string{"template"}
	_, err := s.Restore(t.Context(), stack.RestoreOptions{Before: before, OverOthers: true})
	if err == nil || !strings.Contains(err.Error(), "contained secrets") || len(f.Requests("UpdateStack")) > 0 {
		t.Errorf("error is %v", err)
	}
}

func TestALargeTemplateIsUploadedFirst(t *testing.T) {
	f := stacktest.New(t)
	large := first
	large.Template = `{"Description": "` + strings.Repeat("x", 60000) + `"}`
	s, before := made(t, f, large)
	f.Pass("web", begun, step{Status: "UPDATE_COMPLETE", Revision: &second})
	f.On("UpdateStack", func(*stacktest.Stack, url.Values) []step {
		return []step{begun, {Status: "UPDATE_COMPLETE", Revision: &large}}
	})
	if _, err := s.Restore(t.Context(), stack.RestoreOptions{Before: before, OverOthers: true}); err == nil {
		t.Error("it was applied without a bucket")
	}
	s.Upload = func(_ context.Context, template string) (string, error) {
		if template != large.Template {
			t.Error("a different template is uploaded")
		}
		return "https://bucket.example/template", nil
	}
	report, err := s.Restore(t.Context(), stack.RestoreOptions{Before: before, OverOthers: true})
	if err != nil || report.Action != record.Reapplied ||
		f.Requests("UpdateStack")[0].Get("TemplateURL") != "https://bucket.example/template" {
		t.Errorf("report is %+v, error %v", report, err)
	}
}
