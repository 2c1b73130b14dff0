package record

// DeliveryOutcome is how a deployment ended; "" while it is in progress.
type DeliveryOutcome string

// The outcomes of a deployment.
const (
	Delivered      DeliveryOutcome = "passed"
	RolledBack     DeliveryOutcome = "rolled_back"     // it failed, and the stack is what it was
	RollbackFailed DeliveryOutcome = "rollback_failed" // it failed, and the stack is not what it was
	LeftAsIs       DeliveryOutcome = "failed"          // it failed, and no rollback was due
	Interrupted    DeliveryOutcome = "cancelled"       // it was stopped; CloudFormation may still be working
	Unknown        DeliveryOutcome = "unknown"         // it failed, and the stack was found neither before nor after
	Abandoned      DeliveryOutcome = "abandoned"       // its runner ended without recording an outcome
	IsRollback     DeliveryOutcome = "rollback"        // it was a rollback itself
)

// Delivery is what became of the environment that the step changes.
type Delivery struct {
	Outcome  DeliveryOutcome `json:"outcome,omitempty"`
	Status   string          `json:"stack_status,omitempty"   redact:"-"` // the last known one
	Rollback *Rollback       `json:"rollback,omitempty"`
	Problem  string          `json:"rollback_error,omitempty"`
	Advice   string          `json:"rollback_hint,omitempty"`

	Stacks  []StackDelivery `json:"stacks,omitempty"`                    // of a step that deploys several; the rest is that of the worst
	Created []string        `json:"created_stacks,omitempty" redact:"-"` // stacks of the step that the command created
	Others  []string        `json:"other_stacks,omitempty" redact:"-"`   // not the step's, but changed while the command ran
}

// StackDelivery is what became of one of several stacks.
type StackDelivery struct {
	Stack    string          `json:"stack" redact:"-"`
	Outcome  DeliveryOutcome `json:"outcome,omitempty"`
	Status   string          `json:"stack_status,omitempty" redact:"-"`
	Rollback *Rollback       `json:"rollback,omitempty"`
	Problem  string          `json:"rollback_error,omitempty"`
	Advice   string          `json:"rollback_hint,omitempty"`
}

// Action is how a stack was restored, or why it was not.
type Action string

// The ways to restore a stack, and the cases in which it is not restored.
const (
	Untouched Action = "untouched"   // nothing had changed
	ByItself  Action = "rolled_back" // CloudFormation rolled back by itself
	Continued Action = "continued"   // CloudFormation's rollback failed, and succeeded when continued
	Resumed   Action = "resumed"     // a failed update without a rollback was rolled back
	Reapplied Action = "reapplied"   // the update was complete, and the snapshot was applied over it
	Removed   Action = "removed"     // the stack did not exist before and was deleted

	StackNotFound Action = "unknown"      // the stack existed neither before nor after: it may be elsewhere
	FirstCreate   Action = "first_create" // the stack did not exist before: there is no revision to restore
	Gone          Action = "gone"         // the stack was deleted
	Superseded    Action = "superseded"   // another party changed the stack since
	Stuck         Action = "stuck"        // CloudFormation cannot restore it without help
	Failed        Action = "failed"       // the restoration was refused or ended in another state
)

// Rollback is the restoration of a stack.
type Rollback struct {
	Action      Action     `json:"action"`
	Status      string     `json:"status"                redact:"-"` // of the stack, at the end
	Proven      bool       `json:"proven"`                           // it was compared with the snapshot and is identical
	Differences []string   `json:"differences,omitempty"`            // from the snapshot
	Unproven    []string   `json:"unproven,omitempty"`               // hidden parameters, which cannot be compared
	Kept        []string   `json:"kept,omitempty"`                   // hidden parameters that keep their present values
	Failures    []Resource `json:"failures,omitempty"`               // resources that prevented it
}

// Resource is a resource of a stack that failed.
type Resource struct {
	Name   string `json:"name"`
	Type   string `json:"type"             redact:"-"`
	Status string `json:"status"           redact:"-"`
	Reason string `json:"reason,omitempty"`
}

// RedactConstant implements redact.Constant.
func (DeliveryOutcome) RedactConstant() {}

// RedactConstant implements redact.Constant.
func (Action) RedactConstant() {}
