package record

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestAListOfNumbersIsEncodedOnOneLine(t *testing.T) {
	value := map[string]any{
		"numbers": []float64{
			0, -1.5, 2e-9, 3e21,
		}, "one": []int{7}, "none": []int{}, "words": []string{"1", "2"}, "mixed": []any{1, "2"},
		"objects": []map[string]int{{"a": 1}}, "nested": [][]int{{1, 2}, {3}},
		"text": "like a list: [\n  1,\n  2\n]", "quoted": `"x": [ 1, 2 ]`,
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compact := compactNumbers(text)
	var before, after any
	if err := json.Unmarshal(text, &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(compact, &after); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("%v: another record\n%s", err, compact)
	}
	for _, want := range []string{`"numbers": [0,-1.5,2e-9,3e+21],`, `"one": [7],`, "\"words\": [\n    \"1\",\n", "\"mixed\": [\n    1,\n"} {
		if !strings.Contains(string(compact), want) {
			t.Errorf("no %s in\n%s", want, compact)
		}
	}
}
