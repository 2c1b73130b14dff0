package record

// Reason says why a run ended, as it was observed; it is never derived from the exit code.
type Reason string

// The reasons, as they are in finished.json.
const (
	Success       Reason = "success"
	Failure       Reason = "failure"        // the command failed
	Results       Reason = "results"        // the command passed, but its reports are red
	Timeout       Reason = "timeout"        // the deadline passed
	Cancelled     Reason = "cancelled"      // the runner received a signal
	Signalled     Reason = "signalled"      // the command died of a signal that the runner did not send
	OOM           Reason = "oom"            // the kernel's out-of-memory killer ended the command
	NotExecutable Reason = "not_executable" // the command could not be started
	NotFound      Reason = "not_found"      // the command does not exist
	BadConfig     Reason = "config"         // the input was refused
	Secrets       Reason = "secrets"        // a secret could not be resolved
	Source        Reason = "source"         // the commit could not be checked out
	Artifacts     Reason = "artifacts"      // a set of artifacts is missing or could not be published
	Guard         Reason = "guard"          // a rule kept the step from running
	ServiceFailed Reason = "service"        // a service beside the command was not ready, or ended
)

// RedactConstant implements redact.Constant.
func (Reason) RedactConstant() {}
