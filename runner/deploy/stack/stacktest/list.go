package stacktest

import (
	"strings"
	"time"
)

// list is the result of ListStacks, without the stacks that are deleted.
func (s *Server) list() string {
	var b strings.Builder
	for _, stack := range s.stacks {
		if stack.Status == "DELETE_COMPLETE" {
			continue
		}
		b.WriteString(
			"<member>" + tag("StackId", stack.ID) + tag("StackName", stack.Name) + tag("StackStatus", stack.Status) +
				tag(
					"CreationTime",
					stack.made.Format(time.RFC3339),
				) + tag("LastUpdatedTime", stack.events[len(stack.events)-1].at.Format(time.RFC3339Nano)) + "</member>",
		)
	}
	return "<StackSummaries>" + b.String() + "</StackSummaries>"
}
