package runner

// openOutputs makes the file of RUNNER_OUTPUT.
func (r *run) openOutputs() error { return nil }
