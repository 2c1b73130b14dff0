package artifacts_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// orders returns how many orders a case runs at most: MODEL_ORDERS, or a number that takes a second or two. All orders of
// a new set without a mirror are about a hundred thousand.
func orders(t *testing.T, most int) int {
	if text := os.Getenv("MODEL_ORDERS"); text != "" {
		n, err := strconv.Atoi(text)
		artifactstest.Must(t, err)
		return n
	}
	return most
}

// sample runs orders in which every choice is a random one.
func sample(t *testing.T, c modelCase, dirs map[string]string, most int) (runs int, problem string) {
	for runs < most && problem == "" && !t.Failed() {
		runs++
		synctest.Test(t, func(t *testing.T) {
			m := &model{t: t, modelCase: c, dirs: dirs, random: rand.New(rand.NewPCG(1, uint64(runs)))}
			problem = m.run()
		})
	}
	return runs, problem
}

// choice is a point where an order can go on in several ways.
type choice struct {
	taken string
	tried []string // before
	sleep []string // need not be tried: another order has been the same
}

// explore runs orders, most at most, until all are done or one shows a problem.
func explore(t *testing.T, c modelCase, dirs map[string]string, most int) (runs int, problem string) {
	var path []*choice
	for runs < most {
		runs++
		synctest.Test(t, func(t *testing.T) {
			m := &model{t: t, modelCase: c, dirs: dirs, path: &path}
			problem = m.run()
		})
		if problem != "" || t.Failed() {
			return runs, problem
		}
		for len(path) > 0 && !path[len(path)-1].next() {
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			return runs, ""
		}
	}
	return runs, ""
}

// next gives up what was taken, to try another way. It reports whether there may be one.
func (c *choice) next() bool {
	if c.taken == "" {
		return false
	}
	c.tried, c.taken = append(c.tried, c.taken), ""
	return true
}

// choose returns what an order that was not run yet does here, "" if there is none.
func (m *model) choose(enabled []string) string {
	slices.Sort(enabled)
	if m.random != nil {
		return enabled[m.random.IntN(len(enabled))]
	}
	if m.depth == len(*m.path) {
		c := &choice{}
		if m.depth > 0 {
			before := (*m.path)[m.depth-1]
			for _, id := range append(slices.Clone(before.sleep), before.tried...) {
				if commute(id, before.taken) {
					c.sleep = append(c.sleep, id)
				}
			}
		}
		*m.path = append(*m.path, c)
	}
	c := (*m.path)[m.depth]
	m.depth++
	if c.taken == "" {
		for _, id := range enabled {
			if !slices.Contains(c.tried, id) && !slices.Contains(c.sleep, id) {
				c.taken = id
				break
			}
		}
	} else if !slices.Contains(enabled, c.taken) {
		m.t.Fatalf("%q does not come again; there are %q", c.taken, enabled)
	}
	return c.taken
}

// commute reports whether the order of two steps makes no difference.
func commute(a, b string) bool {
	if a == "tick" || b == "tick" {
		return false
	}
	x, y := strings.Fields(a), strings.Fields(b)
	if x[0] == "crash" || y[0] == "crash" {
		return x[0] != y[0] && (x[0] == "crash" && x[1] != y[0] || y[0] == "crash" && y[1] != x[0])
	}
	reads := func(op string) bool { return op == "get" || op == "load" }
	return x[2] != y[2] || reads(x[1]) && reads(y[1])
}
