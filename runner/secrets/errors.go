package secrets

import (
	"slices"
	"strings"
)

// Failure is a reference that could not be resolved.
type Failure struct {
	Variable      string
	Problem       string // names the secret, never its value
	Advice        string // what to do about it, or ""
	ServiceFailed bool   // the service failed, rather than the reference or the permissions

	cause error
}

func (f Failure) Error() string { return f.Variable + ": " + f.Problem }

// Hint returns the advice.
func (f Failure) Hint() string { return f.Advice }

// Retryable reports whether the reference may be resolved later.
func (f Failure) Retryable() bool { return f.ServiceFailed }

func (f Failure) Unwrap() error { return f.cause }

// Error lists every reference that could not be resolved, sorted by the variable's name.
type Error struct{ Failures []Failure }

// Error groups the variables by their problem: without credentials every reference fails in the same way.
func (e *Error) Error() string {
	var problems []string
	variables := map[string][]string{}
	for _, f := range e.Failures {
		if variables[f.Problem] == nil {
			problems = append(problems, f.Problem)
		}
		if !slices.Contains(variables[f.Problem], f.Variable) {
			variables[f.Problem] = append(variables[f.Problem], f.Variable)
		}
	}
	for i, problem := range problems {
		problems[i] = strings.Join(variables[problem], ", ") + ": " + problem
	}
	return "cannot be resolved: " + strings.Join(problems, "; ")
}

// Hint returns each advice once.
func (e *Error) Hint() string {
	var advice []string
	for _, f := range e.Failures {
		if f.Advice != "" && !slices.Contains(advice, f.Advice) {
			advice = append(advice, f.Advice)
		}
	}
	return strings.Join(advice, "; ")
}

// Retryable reports whether every failure is retryable.
func (e *Error) Retryable() bool {
	return len(e.Failures) > 0 && !slices.ContainsFunc(e.Failures, func(f Failure) bool { return !f.ServiceFailed })
}

// Unwrap returns the failures.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		errs[i] = f
	}
	return errs
}
