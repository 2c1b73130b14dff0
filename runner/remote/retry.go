package remote

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Attempt is what the machine keeps of an execution, for one that goes on from it.
type Attempt struct {
	Ref, SHA string
	What     string // the stage under way, or the last one
	Stage    int    // from 1
	Stages   int
	Number   int    // 1, and one more for each retry
	First    string // the execution of number 1
}

// Attempt returns what the machine keeps of an execution; false if it has nothing, as of one that has just begun, or that
// ended two months ago. The error is an *Error.
func (p *Pipeline) Attempt(ctx context.Context, execution string) (a Attempt, ok bool, err error) {
	i, err := p.item(ctx, "run#"+execution, "could not read what is kept of "+execution)
	if err != nil || i["id"] == "" {
		return a, false, err
	}
	number := func(key string) int {
		n, _ := strconv.Atoi(i[key]) // the machine writes numbers
		return n
	}
	return Attempt{
		Ref: i["ref"], SHA: i["sha"], What: i["what"], Stage: number("stage") + 1, Stages: number("stages"),
		Number: max(number("attempt"), 1), First: i["first"],
	}, true, nil
}

// Retry starts an execution that goes on at the stage at which another one ended, and returns its name and what it goes
// on from. The machine decides whether it may, by what it keeps itself; what is refused here would be refused there. The
// error is an *Error.
func (p *Pipeline) Retry(ctx context.Context, e Execution, by string) (name string, a Attempt, err error) {
	switch {
	case e.Running():
		return "", a, &Error{
			Message: e.Name + " still runs", Advice: "wait for its end, or stop it: runner pipeline cancel " + e.Name,
		}
	case e.Status == "SUCCEEDED", e.Status == Duplicate:
		return "", a, &Error{
			Message: e.Name + " has not failed: " + strings.ToLower(e.Status),
			Advice:  "runner pipeline start runs the pipeline of a commit again, --step one of its steps",
		}
	}
	a, ok, err := p.Attempt(ctx, e.Name)
	switch {
	case err != nil:
		return "", a, err
	case !ok:
		return "", a, &Error{
			Message: fmt.Sprintf("there is nothing on record that %s could be gone on from", e.Name),
			Advice:  "it ended before its first stage, or two months ago: runner pipeline start begins anew",
		}
	}
	detail := map[string]string{"version": "1", "ref": a.Ref, "after": a.SHA, "sender": by, "retry": e.Name}
	name, err = p.execute(ctx, event{"ci.manual", "manual", detail}, executionName(branchOf(a.Ref), a.SHA))
	return name, a, err
}

// branchOf is a ref as an execution's name has it: "main", "v1.2.0" or "pull-12".
func branchOf(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if rest, ok := strings.CutPrefix(ref, prefix); ok {
			return rest
		}
	}
	return strings.TrimSuffix(strings.TrimPrefix(ref, "refs/"), "/head")
}
