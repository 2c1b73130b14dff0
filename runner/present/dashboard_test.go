package present

import (
	"encoding/json"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// emfLine is a line of metrics as CloudWatch reads it.
type emfLine struct {
	values     map[string]any
	directives []struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []struct{ Name, Unit string }
	}
}

func readEMF(t *testing.T, line []byte) (m emfLine) {
	t.Helper()
	var directives struct {
		AWS struct{ CloudWatchMetrics json.RawMessage } `json:"_aws"`
	}
	for _, v := range []any{&m.values, &directives} {
		if err := json.Unmarshal(line, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(directives.AWS.CloudWatchMetrics, &m.directives); err != nil {
		t.Fatal(err)
	}
	return m
}

// value returns what CloudWatch shows of a metric with these dimensions if this line is the only one in the period, by
// any of the statistics that the dashboard uses.
func (m emfLine) value(t *testing.T, namespace, name string, dimensions map[string]string) float64 {
	t.Helper()
	for dimension, value := range dimensions {
		if m.values[dimension] != value {
			t.Fatalf("%s is %v, not %s", dimension, m.values[dimension], value)
		}
	}
	for _, d := range m.directives {
		for _, set := range d.Dimensions {
			if d.Namespace != namespace || len(set) != len(dimensions) {
				continue
			}
			for _, metric := range d.Metrics {
				if metric.Name == name {
					return m.values[name].(float64)
				}
			}
		}
	}
	t.Fatalf("no metric %s %s by %v is emitted", namespace, name, dimensions)
	return 0
}

// The dashboard of cicd.yaml shows the figures of the record.
func TestDashboardShowsTheFiguresOfTheRecord(t *testing.T) {
	f := failedRun()
	f.Cluster = "Cluster"
	m := readEMF(t, EMF(f, time.Now()))
	shown := map[string]float64{}
	for _, w := range dashboardWidgets(t) {
		w.evaluate(t, f.Step, m, shown)
	}
	for title, want := range map[string]float64{
		"Duration of steps, seconds: Duration": f.Seconds, "Tests: Tests": float64(f.Tests.Total),
		"Tests: TestsFailed": float64(f.Tests.Failed + f.Tests.Errored), "Tests: TestsFlaky": float64(f.Tests.Counts.Flaky),
		"Memory, % of the task's": 100 * float64(f.Usage.PeakMemory) / (2 << 30), "Checks, dollars by list price": f.Cost.Dollars,
		"Waiting for a task, seconds: ColdStart": m.values["ColdStart"].(float64),
	} {
		if got, ok := shown[title]; !ok || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: the dashboard shows %v, the run was %v", title, got, want)
		}
		delete(shown, title)
	}
	if len(shown) > 0 {
		t.Errorf("%v is shown and not compared", shown)
	}
}

// widget is one of the dashboard.
type widget struct {
	Properties struct {
		Title, Query string
		Metrics      [][]any
	}
}

func dashboardWidgets(t *testing.T) []widget {
	t.Helper()
	var template struct {
		Resources map[string]struct {
			Properties struct {
				DashboardBody map[string][]any `yaml:"DashboardBody"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	file, err := os.ReadFile("../../infra/cicd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	from := strings.Index(text, "\n  Dashboard:\n")
	to := strings.Index(text, "\nOutputs:\n")
	if err := yaml.Unmarshal([]byte("Resources:"+text[from:to]), &template); err != nil {
		t.Fatal(err)
	}
	body := strings.NewReplacer("${TestMemory}", "2048", "${Cluster}", "Cluster").
		Replace(template.Resources["Dashboard"].Properties.DashboardBody["Fn::Sub"][0].(string))
	body = regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(body, "1")
	var dashboard struct{ Widgets []widget }
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Widgets
}

var sumQuery = regexp.MustCompile(`filter Runs = 1 and ispresent\((\w+)\) \| stats sum\((\w+)\)`)

// evaluate adds what the widget shows of a run of a step, by its title and the metric.
func (w widget) evaluate(t *testing.T, step string, m emfLine, shown map[string]float64) {
	t.Helper()
	var last []any
	ids, formulas := map[string]float64{}, map[string]string{}
	for _, row := range w.Properties.Metrics {
		options, _ := row[len(row)-1].(map[string]any)
		if formula, ok := options["expression"].(string); ok {
			formulas[options["label"].(string)] = formula
			continue
		}
		if options != nil {
			row = row[:len(row)-1]
		}
		row = expandRow(row, last)
		last = row
		dimensions := map[string]string{}
		for i := 2; i < len(row); i += 2 {
			dimensions[row[i].(string)] = row[i+1].(string)
		}
		if row[0] != "Carlin/CICD" || dimensions["Step"] != "" && dimensions["Step"] != step {
			continue
		}
		value := m.value(t, row[0].(string), row[1].(string), dimensions)
		if id, ok := options["id"].(string); ok {
			ids[id] = value
		} else {
			shown[w.Properties.Title+": "+row[1].(string)] = value
		}
	}
	if formula, ok := formulas[step]; ok {
		shown[w.Properties.Title] = evaluate(t, formula, ids)
	}
	sum := sumQuery.FindStringSubmatch(w.Properties.Query)
	if sum != nil && sum[1] == sum[2] && m.values["Runs"] == 1.0 {
		shown[w.Properties.Title] = m.values[sum[1]].(float64)
	}
}

// expandRow replaces the abbreviations in a row of a widget: "." for the value above, "..." for all values above that
// are not in the row.
func expandRow(row, above []any) []any {
	if row[0] == "..." {
		return append(append([]any{}, above[:len(above)-len(row)+1]...), row[1:]...)
	}
	full := append([]any{}, row...)
	for i, v := range full {
		if v == "." {
			full[i] = above[i]
		}
	}
	return full
}

// evaluate computes a*b/c/d, whose parts are numbers or ids.
func evaluate(t *testing.T, formula string, ids map[string]float64) float64 {
	t.Helper()
	result, divide := 1.0, false
	for _, part := range regexp.MustCompile(`[*/]|[^*/]+`).FindAllString(formula, -1) {
		if part == "*" || part == "/" {
			divide = part == "/"
			continue
		}
		value, known := ids[part]
		if !known {
			var err error
			if value, err = strconv.ParseFloat(part, 64); err != nil {
				t.Fatalf("%s: %v", formula, err)
			}
		}
		if divide {
			value = 1 / value
		}
		result *= value
	}
	return result
}
