// Package pipeline resolves the pipeline of runner.yaml for one event: which steps run, in which order, and why.
//
// A plan says what the repository asks for. It grants nothing: which environments an event may reach is decided by what
// starts the tasks.
package pipeline
