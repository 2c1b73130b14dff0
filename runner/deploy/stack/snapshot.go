package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Snapshot is a stack as it was at one moment, with what it takes to restore it. A stack that did not exist has only
// Taken and Status.
type Snapshot struct {
	Taken         time.Time         `json:"taken_at"`
	ID            string            `json:"stack_id,omitempty"`
	Status        string            `json:"status"` // CloudFormation's, or Absent
	Reason        string            `json:"status_reason,omitempty"`
	Updated       time.Time         `json:"last_updated,omitzero"`
	LastEvent     string            `json:"last_event_id,omitempty"`
	Template      string            `json:"template,omitempty"` // as it was handed in
	Parameters    []Parameter       `json:"parameters,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
	Capabilities  []string          `json:"capabilities,omitempty"`
	Outputs       map[string]string `json:"outputs,omitempty"`
	RoleARN       string            `json:"role_arn,omitempty"`
	Notifications []string          `json:"notification_arns,omitempty"`
	// Altered names the parts that are not as they were, because they contained secrets. They cannot be applied again.
	Altered []string `json:"altered,omitempty"`
}

// Parameter is a parameter of a stack. The value of a hidden one is unknown: CloudFormation does not return it
// (NoEcho), or it was not stored.
type Parameter struct {
	Key      string `json:"key"`
	Value    string `json:"value,omitempty"`
	Hidden   bool   `json:"hidden,omitempty"`
	Resolved string `json:"resolved,omitempty"` // what Parameter Store had under Value when the stack was last updated
}

// noEcho is what CloudFormation returns for a hidden value.
const noEcho = "****"

// Missing reports whether the stack did not exist.
func (s Snapshot) Missing() bool { return State{Status: s.Status}.Missing() }

// Blocked says why a stack in this state cannot be updated, and what to do about it; "" if it can.
func (s Snapshot) Blocked(name string) (problem, advice string) {
	const remove = "aws cloudformation delete-stack --stack-name "
	switch types.StackStatus(s.Status) {
	case types.StackStatusRollbackComplete, types.StackStatusRollbackFailed, types.StackStatusCreateFailed:
		return "its first create failed", "delete it, and deploy again: " + remove + name
	case types.StackStatusDeleteFailed:
		return "it was only partly deleted", "delete what is left: " + remove + name
	case types.StackStatusUpdateRollbackFailed, types.StackStatusImportRollbackFailed:
		return "its last rollback is stuck", "repair the resources that failed, then: aws cloudformation continue-update-rollback --stack-name " + name
	case types.StackStatusUpdateFailed:
		return "its last update failed and was not rolled back", "continue with --disable-rollback, or: aws cloudformation rollback-stack --stack-name " + name
	case types.StackStatusReviewInProgress:
		return "it has a change set that was never executed, and nothing else", "execute the change set, or delete the stack: " + remove + name
	case Absent:
	default:
		if !slices.Contains(types.StackStatus("").Values(), types.StackStatus(s.Status)) {
			return "its state is unknown to this version of the runner", "look at it in the console; if nothing helps there, delete the stack: " + remove + name
		}
	}
	return "", ""
}

// neverStable reports whether the stack never had a revision that worked.
func (s Snapshot) neverStable() bool {
	status := types.StackStatus(s.Status)
	return status == types.StackStatusRollbackComplete || status == types.StackStatusRollbackFailed ||
		status == types.StackStatusCreateFailed
}

// Snapshot reads all that CloudFormation knows of the stack. One that does not exist has a snapshot, too.
func (s *Stack) Snapshot(ctx context.Context) (Snapshot, error) {
	state, err := s.Describe(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	return s.SnapshotOf(ctx, state)
}

// SnapshotOf takes a snapshot of the stack that was just found in a state.
func (s *Stack) SnapshotOf(ctx context.Context, state State) (Snapshot, error) {
	snap := Snapshot{
		Taken:   time.Now().UTC(),
		ID:      state.ID,
		Status:  state.Status,
		Reason:  state.Reason,
		Updated: state.Updated,
	}
	if state.Missing() {
		return snap, nil
	}
	events, err := s.events(ctx, state.ID, "", 1)
	if err != nil {
		return snap, err
	}
	if len(events) > 0 {
		snap.LastEvent = events[len(events)-1].ID
	}
	out, err := s.Client.GetTemplate(
		ctx,
		&cloudformation.GetTemplateInput{StackName: &state.ID, TemplateStage: types.TemplateStageOriginal},
	)
	if err != nil {
		return snap, s.serviceError(ctx, "cloudformation:GetTemplate", err)
	}
	snap.Template = aws.ToString(out.TemplateBody)
	found := state.found
	for _, p := range found.Parameters {
		one := Parameter{
			Key:      aws.ToString(p.ParameterKey),
			Value:    aws.ToString(p.ParameterValue),
			Resolved: aws.ToString(p.ResolvedValue),
		}
		if one.Value == noEcho {
			one.Value, one.Hidden = "", true
		}
		snap.Parameters = append(snap.Parameters, one)
	}
	sort.Slice(snap.Parameters, func(i, j int) bool { return snap.Parameters[i].Key < snap.Parameters[j].Key })
	snap.Tags, snap.Outputs = map[string]string{}, map[string]string{}
	for _, t := range found.Tags {
		snap.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	for _, o := range found.Outputs {
		snap.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, c := range found.Capabilities {
		snap.Capabilities = append(snap.Capabilities, string(c))
	}
	slices.Sort(snap.Capabilities)
	snap.RoleARN, snap.Notifications = aws.ToString(found.RoleARN), found.NotificationARNs
	return snap, nil
}

// Differences names the parts in which two snapshots of a stack differ, never their values. A hidden parameter has no
// value to compare.
func (s Snapshot) Differences(now Snapshot) []string {
	var found []string
	if s.Missing() != now.Missing() {
		return []string{fmt.Sprintf("the stack was %s and is %s", s.Status, now.Status)}
	}
	if !sameTemplate(s.Template, now.Template) {
		found = append(found, "template")
	}
	values := func(s Snapshot) map[string]string {
		all := map[string]string{}
		for _, p := range s.Parameters {
			all[p.Key] = p.Value
		}
		return all
	}
	before, after := values(s), values(now)
	for _, p := range slices.Concat(s.Parameters, now.Parameters) {
		if _, both := before[p.Key]; p.Hidden && both {
			if _, both = after[p.Key]; both {
				delete(before, p.Key)
				delete(after, p.Key)
			}
		}
	}
	for _, p := range s.Parameters {
		at := slices.IndexFunc(now.Parameters, func(q Parameter) bool { return q.Key == p.Key })
		if at >= 0 && p.Resolved != "" && now.Parameters[at].Resolved != "" {
			before[p.Key+resolved], after[p.Key+resolved] = p.Resolved, now.Parameters[at].Resolved
		}
	}
	found = append(found, differing("parameter", before, after)...)
	found = append(found, differing("tag", s.Tags, now.Tags)...)
	return append(found, differing("output", s.Outputs, now.Outputs)...)
}

// resolved marks a parameter that names the same value in Parameter Store, where that value has changed.
const resolved = " (resolved)"

func differing(what string, before, after map[string]string) []string {
	names := map[string]bool{}
	for _, m := range []map[string]string{before, after} {
		for name := range m {
			was, had := before[name]
			is, has := after[name]
			if had != has || was != is {
				names[what+" "+name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// sameTemplate compares JSON by its content, and everything else by its text.
func sameTemplate(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

// Redacted returns the snapshot as it may be stored: what clean changes is marked as altered, and parameters with the
// name of a secret are hidden.
func (s Snapshot) Redacted(clean func(string) string, secret func(name string) bool) Snapshot {
	note := func(part, was, is string) string {
		if was != is {
			s.Altered = append(s.Altered, part)
		}
		return is
	}
	s.Altered = slices.Clone(s.Altered)
	s.Template = note("template", s.Template, clean(s.Template))
	s.Reason = clean(s.Reason)
	s.RoleARN = note("role", s.RoleARN, clean(s.RoleARN))
	s.Notifications = slices.Clone(s.Notifications)
	for i, arn := range s.Notifications {
		s.Notifications[i] = note("notification ARN", arn, clean(arn))
	}
	parameters := s.Parameters
	s.Parameters = nil
	for _, p := range parameters {
		if !p.Hidden && (secret(p.Key) || clean(p.Value) != p.Value) {
			p.Value, p.Hidden = "", true
		}
		if p.Hidden || clean(p.Resolved) != p.Resolved {
			p.Resolved = ""
		}
		s.Parameters = append(s.Parameters, p)
	}
	mapped := func(part string, m map[string]string) map[string]string {
		all := maps.Clone(m)
		for name, value := range m {
			if secret(name) {
				value = "[REDACTED:" + name + "]"
			}
			all[name] = note(part+" "+name, m[name], clean(value))
		}
		return all
	}
	s.Tags, s.Outputs = mapped("tag", s.Tags), mapped("output", s.Outputs)
	return s
}
