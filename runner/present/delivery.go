package present

import (
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
)

// DeliveryOutcome returns how a deployment ended as a sentence; "" if it had not begun.
func DeliveryOutcome(run record.Run) string {
	if run.Delivery == nil || run.Deployment == nil {
		return ""
	}
	target := "the environment"
	if run.Deployment.HasStack {
		target = "the stack"
	}
	switch run.Delivery.Outcome {
	case record.Delivered:
		return "It passed, and is live."
	case record.RolledBack:
		return "It failed, and the stack is as it was before."
	case record.RollbackFailed:
		return "It failed, and the stack could not be restored."
	case record.Unknown:
		return "It failed, and its stack was found neither before nor after: it may be in another account or region."
	case record.LeftAsIs:
		return "It failed, and " + target + " was left as it is."
	case record.Interrupted:
		return "It was interrupted: " + target + " may be incomplete, or still changing."
	case record.IsRollback:
		return "The stack is as it was before run " + run.Deployment.Undoes + "."
	}
	return "It had not ended when this was written."
}

// rollbackTexts describe how a stack was restored, or why not.
var rollbackTexts = map[record.Action]string{
	record.Untouched:     "nothing had changed",
	record.ByItself:      "by CloudFormation itself",
	record.Continued:     "CloudFormation's rollback failed, and succeeded when it was continued",
	record.Resumed:       "a failed update was rolled back",
	record.Reapplied:     "the snapshot was applied over it",
	record.Removed:       "the stack did not exist before, and was deleted",
	record.StackNotFound: "none: the stack was found neither before nor after",
	record.FirstCreate:   "none: the stack did not exist before",
	record.Gone:          "none: the stack was deleted",
	record.Superseded:    "none: the stack was changed by another party since",
	record.Stuck:         "none: CloudFormation needs help",
	record.Failed:        "it was refused, or ended in another state",
}

// RollbackDetails returns how a stack was restored, and how it compares with the snapshot.
func RollbackDetails(b record.Rollback) string {
	text, ok := rollbackTexts[b.Action]
	if !ok {
		text = string(b.Action)
	}
	if b.Proven {
		text += "; identical to the snapshot"
	}
	for _, list := range []struct {
		what  string
		names []string
	}{
		{"differs from the snapshot in", b.Differences},
		{"hidden, so not compared:", b.Unproven},
		{"hidden, so kept as they are:", b.Kept},
	} {
		if len(list.names) > 0 {
			text += "; " + list.what + " " + strings.Join(list.names, ", ")
		}
	}
	return text
}
