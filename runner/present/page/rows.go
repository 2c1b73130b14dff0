package page

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/klauspost/compress/flate"

	"github.com/carlin-cicd/runner/runner/record"
)

// The list of all tests is data in the page, which its script shows a screen at a time: JSON, compressed by raw deflate
// and in base64, since thousands of names would be most of the page.

// maxPacked bounds the list as it is in the page, in bytes.
const maxPacked = 256 << 10

// rowStates are those of tests in the order that the data counts them by. The script has the same.
var rowStates = []record.TestState{
	record.TestFailed, record.TestErrored, record.TestFlaky, record.TestQuarantined, record.TestSkipped, record.TestPassed,
}

// packedRows is the list of all tests.
type packedRows struct {
	packed string
	shown  int // tests in it
	beyond int // tests that it has no room for

	pasts map[string]string // of the tests that are shown with what explains them, by their ids
}

// rowData is the list as the script reads it. A row is a file, a class and a project by their indexes, the name, the
// state by its index, the milliseconds, the outcomes in earlier runs, and the id of the failure on the page, or "".
type rowData struct {
	Files    []string `json:"files"`
	Classes  []string `json:"classes"`
	Projects []string `json:"projects"`
	Rows     [][]any  `json:"rows"`
}

// packRows packs as many tests as fit, in their order: failures come first.
func packRows(t *record.Tests) packedRows {
	if t == nil || len(t.All) == 0 {
		return packedRows{}
	}
	anchors := map[string]string{}
	for prefix, list := range caseLists(t) {
		for i, c := range list.cases[:min(len(list.cases), shownTests)] {
			if c.ID != "" && anchors[c.ID] == "" {
				anchors[c.ID] = anchor(prefix, i)
			}
		}
	}
	rows := packedRows{beyond: t.Beyond + len(t.All), pasts: map[string]string{}}
	for _, row := range t.All {
		if anchors[row.ID] != "" {
			rows.pasts[row.ID] = row.Past
		}
	}
	for n := len(t.All); n > 0; n /= 2 {
		if packed := pack(newRowData(t.All[:n], anchors)); len(packed) <= maxPacked {
			rows.packed, rows.shown, rows.beyond = packed, n, rows.beyond-n
			break
		}
	}
	return rows
}

func newRowData(all []record.TestRow, anchors map[string]string) rowData {
	var d rowData
	d.Rows = make([][]any, len(all))
	files, classes, projects := map[string]int{}, map[string]int{}, map[string]int{}
	for i, row := range all {
		d.Rows[i] = []any{
			index(files, &d.Files, row.File), index(classes, &d.Classes, row.Class), index(projects, &d.Projects, row.Project),
			visible(clip(row.Name, maxName)), max(0, slices.Index(rowStates, row.State)), row.Took.Milliseconds(), visible(row.Past), anchors[row.ID],
		}
	}
	return d
}

// index returns the place of a text in a list, which it is added to if it is new.
func index(places map[string]int, list *[]string, text string) int {
	if at, known := places[text]; known {
		return at
	}
	at := len(*list)
	places[text] = at
	*list = append(*list, visible(clip(text, maxName)))
	return at
}

func pack(d rowData) string {
	var b bytes.Buffer
	text := base64.NewEncoder(base64.StdEncoding, &b)
	squeezed, err := flate.NewWriter(text, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	// Writing into a buffer does not fail, and the data has no value that JSON lacks.
	_ = json.NewEncoder(squeezed).Encode(d)
	_ = squeezed.Close()
	_ = text.Close()
	return b.String()
}

// list writes the list of all tests with its filters.
func (w *writer) list(run record.Run, rows packedRows) {
	if rows.packed == "" {
		return
	}
	base := ""
	if at := sourceURL(run, "x", 0); at != "" {
		base = at[:len(at)-1]
	}
	w.put("<div id=\"all\" hidden data-source=\"%s\" data-within=\"%s\">\n", base, run.Tests.Within)
	w.raw("<div class=\"search filters\" role=\"search\" aria-label=\"tests\">" +
		"<input id=\"bytext\" type=\"search\" aria-label=\"filter tests by text\" placeholder=\"filter tests\" autocomplete=\"off\" spellcheck=\"false\">" +
		"<select id=\"bystate\" aria-label=\"state\"><option value=\"\">any state</option></select>" +
		"<select id=\"byfile\" aria-label=\"file\"><option value=\"\">any file</option></select>" +
		"<select id=\"bytime\" aria-label=\"duration\"><option value=\"0\">any duration</option><option value=\"100\">100 ms or more</option>" +
		"<option value=\"1000\">1 s or more</option><option value=\"10000\">10 s or more</option></select>" +
		"<select id=\"order\" aria-label=\"order\"><option value=\"\">failures first</option><option value=\"slow\">slowest first</option>" +
		"<option value=\"flaky\">flakiest first</option><option value=\"name\">by name</option></select>" +
		"<output id=\"listed\"></output></div>\n")
	w.startTable("all tests", "rows", column{title: "state", hidden: true}, column{title: "test"}, column{title: "last runs", class: "past"},
		column{title: "took", class: "n"})
	w.endTable()
	w.raw("<p><button type=\"button\" id=\"more\" hidden></button></p>\n</div>\n")
	w.put("<p class=\"note\" id=\"unlisted\">The list of all %d tests needs JavaScript; the reports of the run have them, too.</p>\n", rows.shown)
	if rows.beyond > 0 {
		w.put("<p class=\"note\">%d more tests are in the reports; the list has no room for them.</p>\n", rows.beyond)
	}
	w.put("<template id=\"packed\">%s</template>\n", markup(rows.packed))
}
