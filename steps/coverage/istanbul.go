package coverage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// readSummary reads istanbul's coverage-summary.json: an object of files, and of a total. It is read a file at a time.
func readSummary(in io.Reader, folders tally) (Summary, error) {
	type entry struct {
		Lines, Branches struct {
			Total, Covered int64
		}
	}
	d := json.NewDecoder(in)
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return Summary{}, errors.Join(errors.New("it is no object of files"), err)
	}
	var files, total Summary
	stated := false
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return Summary{}, err
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return Summary{}, fmt.Errorf("%.100q: %w", name, err)
		}
		s := Summary{Lines: possible(e.Lines.Covered, e.Lines.Total), Branches: possible(e.Branches.Covered, e.Branches.Total)}
		if name == "total" {
			total, stated = s, true
			continue
		}
		if file, ok := name.(string); ok {
			folders.add([]byte(file), s.Lines, s.Branches)
		}
		s.Files = 1
		files = files.plus(s)
	}
	if _, err := d.Token(); err != nil { // it ends as it should
		return Summary{}, err
	}
	if stated {
		total.Files = files.Files
		return total, nil
	}
	return files, nil
}
