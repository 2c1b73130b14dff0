// Package stacktest is a fake of CloudFormation: it answers the documented query protocol for stacks that pass
// through the states that a test scripts. It is used where moto knows neither the states nor the requests.
package stacktest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Region and Account are those of every stack.
const (
	Region  = "eu-central-1"
	Account = "123456789012"
)

// Topic and Role are the notification ARN and the role of every stack.
const (
	Topic = "arn:aws:sns:" + Region + ":" + Account + ":stacks"
	Role  = "arn:aws:iam::" + Account + ":role/stacks"
)

// Revision is what a deploy can change.
type Revision struct {
	Template   string
	Parameters map[string]string
	Hidden     []string          // parameters whose value is not shown
	Resolved   map[string]string // values in Parameter Store, by the parameters that name them
	Tags       map[string]string
	Outputs    map[string]string
}

// Step is a state that a stack passes through. Each DescribeStacks advances it by one.
type Step struct {
	Status string
	Reason string
	Token  string
	// Resource, if it is set, is the subject of the event, instead of the stack.
	Resource, Type string
	Revision       *Revision // the stack becomes this, if it is set
	Brief          bool      // no DescribeStacks returns it
}

// Stack is one stack of the fake.
type Stack struct {
	Revision
	ID, Name, Status string
	stable           Revision                     // that of its last *_COMPLETE state
	known            map[string]map[string]string // outputs, by template
	coming           []Step
	events           []event
	token            string   // of the present operation, or the last
	tokens           []string // of the accepted requests
	made             time.Time
}

type event struct {
	id string
	at time.Time
	Step
}

// Server is the fake.
type Server struct {
	URL string

	mu       sync.Mutex
	stacks   map[string]*Stack
	denied   map[string]bool
	failing  map[string][]string
	script   map[string]func(*Stack, url.Values) []Step
	requests []url.Values
	events   int
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{
		stacks:  map[string]*Stack{},
		denied:  map[string]bool{},
		failing: map[string][]string{},
		script:  map[string]func(*Stack, url.Values) []Step{},
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Obey scripts every request that changes a stack to succeed, as in CloudFormation.
func (s *Server) Obey() {
	back := func(k *Stack, _ url.Values) []Step {
		return []Step{
			{Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "User Initiated"},
			{Status: "UPDATE_ROLLBACK_COMPLETE", Revision: &k.stable},
		}
	}
	s.On("RollbackStack", back)
	s.On("ContinueUpdateRollback", back)
	s.On("UpdateStack", func(k *Stack, form url.Values) []Step {
		next := RevisionOf(k.Revision, form)
		next.Outputs = k.known[next.Template]
		return []Step{
			{Status: "UPDATE_IN_PROGRESS", Reason: "User Initiated"},
			{Status: "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"},
			{Status: "UPDATE_COMPLETE", Revision: next},
		}
	})
}

// Make creates a stack in the state CREATE_COMPLETE.
func (s *Server) Make(name string, r Revision) *Stack {
	s.mu.Lock()
	defer s.mu.Unlock()
	made := &Stack{
		Name:  name,
		ID:    fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/%08d", Region, Account, name, s.events),
		made:  time.Now().UTC(),
		known: map[string]map[string]string{},
	}
	s.stacks[name] = made
	s.apply(made, Step{Status: "CREATE_IN_PROGRESS", Reason: "User Initiated"})
	s.apply(made, Step{Status: "CREATE_COMPLETE", Revision: &r})
	return made
}

// Pass scripts states of a stack: the first is entered at once, the others one by one with each DescribeStacks.
func (s *Server) Pass(name string, steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass(s.stacks[name], steps)
}

// Drain advances a stack to its last scripted state.
func (s *Server) Drain(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stack := s.stacks[name]
	for _, step := range stack.coming {
		s.apply(stack, step)
	}
	stack.coming = nil
}

func (s *Server) pass(stack *Stack, steps []Step) {
	if len(steps) > 0 {
		s.apply(stack, steps[0])
		stack.coming = append(stack.coming, steps[1:]...)
	}
}

// Begin creates a stack and scripts the states of its first create.
func (s *Server) Begin(name string, r Revision, steps ...Step) {
	s.Make(name, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stacks[name].events = nil
	s.pass(s.stacks[name], steps)
}

// On scripts the states that a request causes.
func (s *Server) On(action string, script func(*Stack, url.Values) []Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script[action] = script
}

// Deny answers an action with AccessDenied.
func (s *Server) Deny(action string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[action] = true
}

// Fail answers the next requests of an action with errors of the service, one each: CODE, or CODE=MESSAGE.
func (s *Server) Fail(action string, codes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing[action] = append(s.failing[action], codes...)
}

// Requests returns the requests of an action.
func (s *Server) Requests(action string) []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []url.Values
	for _, r := range s.requests {
		if r.Get("Action") == action {
			found = append(found, r)
		}
	}
	return found
}

// Now returns a stack as it is; the zero value if there is none.
func (s *Server) Now(name string) Stack {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stack := s.stacks[name]; stack != nil {
		return *stack
	}
	return Stack{}
}

// RevisionOf returns the revision that an UpdateStack requests. Omitted tags stay.
func RevisionOf(now Revision, form url.Values) *Revision {
	r := Revision{
		Template:   form.Get("TemplateBody"),
		Parameters: map[string]string{},
		Tags:       map[string]string{},
		Outputs:    now.Outputs,
		Hidden:     now.Hidden,
		Resolved:   now.Resolved,
	}
	if !form.Has("Tags") && !form.Has("Tags.member.1.Key") {
		r.Tags = now.Tags
	}
	for i := 1; form.Has("Parameters.member." + strconv.Itoa(i) + ".ParameterKey"); i++ {
		at := "Parameters.member." + strconv.Itoa(i) + "."
		key := form.Get(at + "ParameterKey")
		r.Parameters[key] = form.Get(at + "ParameterValue")
		if form.Get(at+"UsePreviousValue") == "true" {
			r.Parameters[key] = now.Parameters[key]
		}
	}
	for i := 1; form.Has("Tags.member." + strconv.Itoa(i) + ".Key"); i++ {
		at := "Tags.member." + strconv.Itoa(i) + "."
		r.Tags[form.Get(at+"Key")] = form.Get(at + "Value")
	}
	return &r
}

func (s *Server) apply(stack *Stack, step Step) {
	s.events++
	if step.Reason == "User Initiated" {
		stack.token = step.Token
	} else if step.Token == "" {
		step.Token = stack.token // all events of an operation have it
	}
	stack.events = append(stack.events, event{fmt.Sprintf("event-%06d", s.events), time.Now().UTC(), step})
	if step.Resource == "" {
		stack.Status = step.Status
	}
	if step.Revision != nil {
		stack.Revision = *step.Revision
		stack.known[stack.Template] = stack.Outputs
	}
	if step.Resource == "" && strings.HasSuffix(step.Status, "_COMPLETE") {
		stack.stable = stack.Revision
	}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		refuse(w, "MalformedQueryString", err.Error())
		return
	}
	form := r.PostForm
	action := form.Get("Action")
	s.requests = append(s.requests, form)
	if s.denied[action] {
		refuse(
			w,
			"AccessDenied",
			"User: arn:aws:sts::123456789012:assumed-role/deploy/task is not authorized to perform: cloudformation:"+action,
		)
		return
	}
	if codes := s.failing[action]; len(codes) > 0 {
		s.failing[action] = codes[1:]
		code, message, _ := strings.Cut(codes[0], "=")
		refuse(w, code, cmp.Or(message, "try again"))
		return
	}
	if action == "ListStacks" {
		answer(w, action, s.list())
		return
	}
	stack := s.find(form.Get("StackName"))
	if stack == nil {
		refuse(w, "ValidationError", "Stack with id "+form.Get("StackName")+" does not exist")
		return
	}
	switch action {
	case "DescribeStacks":
		for brief := true; brief && len(stack.coming) > 0; stack.coming = stack.coming[1:] {
			brief = stack.coming[0].Brief
			s.apply(stack, stack.coming[0])
		}
		if stack.Status == "DELETE_COMPLETE" && form.Get("StackName") == stack.Name {
			refuse(w, "ValidationError", "Stack with id "+stack.Name+" does not exist")
			return
		}
		answer(w, action, "<Stacks><member>"+stack.xml()+"</member></Stacks>")
	case "DescribeStackEvents":
		answer(w, action, stack.eventsXML(form.Get("NextToken")))
	case "GetTemplate":
		answer(w, action, tag("TemplateBody", stack.Template))
	case "UpdateStack", "RollbackStack", "ContinueUpdateRollback":
		script := s.script[action]
		code, message := stack.objection(action, form)
		switch {
		case script == nil:
			refuse(w, "ValidationError", action+" is not in the test's script")
		case code != "":
			refuse(w, code, message)
		default:
			steps := script(stack, form)
			if len(steps) > 0 && steps[0].Token == "" {
				steps[0].Token = form.Get("ClientRequestToken")
			}
			stack.tokens = append(stack.tokens, form.Get("ClientRequestToken"))
			s.pass(stack, steps)
			answer(w, action, tag("StackId", stack.ID))
		}
	default:
		refuse(w, "InvalidAction", "the fake does not know "+action)
	}
}

func (s *Server) find(name string) *Stack {
	for _, stack := range s.stacks {
		if stack.Name == name || stack.ID == name {
			return stack
		}
	}
	return nil
}
