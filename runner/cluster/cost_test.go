package cluster

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The page about cost counts what the templates have.
func TestThePageOfCostCountsWhatTheTemplatesHave(t *testing.T) {
	page, err := os.ReadFile("../../infra/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	count := func(template string) map[string]Price {
		loaded, err := LoadTemplate(template)
		if err != nil {
			t.Fatal(err)
		}
		prices := map[string]Price{}
		for _, p := range sumPrices(pricesOf(loaded.resources(nil, "us-east-1"))) {
			prices[p.What] = p
		}
		return prices
	}
	pipeline, webhook := count(pipelineTemplate), count(webhookTemplate)
	metrics := "metrics of alarms"
	all := pipeline[metrics].Number + webhook[metrics].Number
	for _, row := range []string{
		fmt.Sprintf("| alarms: %d metrics, %d of them of the webhook, 0.10 each |", all, webhook[metrics].Number) +
			strings.Repeat(fmt.Sprintf(" %.1f |", pipeline[metrics].Dollars+webhook[metrics].Dollars), 3),
		"| the webhook's secret |" + strings.Repeat(fmt.Sprintf(" %.1f |", webhook["secrets"].Dollars), 3),
	} {
		if !strings.Contains(string(page), "\n"+row+"\n") {
			t.Errorf("infra/scale.md lacks the row %s", row)
		}
	}
	if base := count(baseTemplate); len(base)+len(pipeline)+len(webhook) != 3 {
		t.Errorf("the page has no row for one of %v %v %v", base, pipeline, webhook)
	}
}
