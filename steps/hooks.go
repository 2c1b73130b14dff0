package steps

// Hooks are commands that run around the command of a step. Each list runs in order.
type Hooks struct {
	Before    []Command // if one fails, the command does not run
	After     []Command // run once, all of them, whether the command passed or not
	OnFailure []Command // run once if the step has failed
}
