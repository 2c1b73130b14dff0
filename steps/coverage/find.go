package coverage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// format is a kind of report.
type format struct {
	name  string
	named func(base string) bool // whether a file of that name is worth a look
	is    func(head []byte) bool // whether its first bytes are of this format
	read  func(io.Reader, tally) (Summary, error)
}

// formats, the most exact first. A tool often writes several for the same run: istanbul's summary has totals
// that are its own, lcov has every line and branch, cobertura and clover round or mix in statements, and a profile of
// Go knows no lines.
func formats() []format {
	return []format{
		{"istanbul's summary", exactly("coverage-summary.json"), startsWith("{"), readSummary},
		{"lcov", ending(".info", ".lcov"), isLcov, readLcov},
		{"cobertura", ending(".xml"), isCobertura, readCobertura},
		{"clover", ending(".xml"), isClover, readClover},
		{"a profile of Go", ending(".out", ".txt", ".cov", ".coverprofile", ".coverage"), startsWith("mode: "), readProfile},
	}
}

func exactly(name string) func(string) bool { return func(base string) bool { return base == name } }

func ending(ends ...string) func(string) bool {
	return func(base string) bool {
		return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(base, end) })
	}
}

func startsWith(prefix string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(head), []byte(prefix)) }
}

// The bounds of looking for reports.
const (
	maxDepth = 8 // folders within each other
	headSize = 4 << 10
)

// hidden are folders that no tool reports into, and in which there is much to walk.
var hidden = []string{"node_modules", ".git", ".runner", ".pnpm-store", "lcov-report"}

// Find summarizes the reports of coverage in a folder and below. Those that are nearest to the top count, of each folder
// the most exact one; where packages have folders of their own, side by side, their reports are added up. Links are not
// followed. The folders are those of the sources, by name, relative to their root. It returns a *NotFoundError, or a
// *ReportError: a broken report is not passed over for a less exact one.
func Find(dir, root string) (Summary, []Folder, error) {
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return Summary{}, nil, err
	}
	defer folder.Close()
	level := []string{"."}
	for depth := 0; depth < maxDepth && len(level) > 0; depth++ {
		var found []found
		var next []string
		for _, name := range level {
			report, folders, err := look(folder, name)
			if err != nil {
				return Summary{}, nil, err
			}
			if report.Source != "" {
				found = append(found, report)
			}
			next = append(next, folders...)
		}
		if len(found) > 0 {
			summary, folders := sum(found, root)
			return summary, folders, nil
		}
		level = next
	}
	return Summary{}, nil, &NotFoundError{dir}
}

// found is what one report says.
type found struct {
	Summary
	tally tally
}

func sum(reports []found, root string) (Summary, []Folder) {
	var all Summary
	folders := tally{}
	for _, r := range reports {
		all = all.plus(r.Summary)
		below := ""
		if len(reports) > 1 {
			below = packageOf(r.Source)
		}
		for name, f := range r.tally.in(root, below) {
			folders.merge(name, *f)
		}
	}
	all.Source = reports[0].Source
	if n := len(reports) - 1; n > 0 {
		all.Source += fmt.Sprintf(" and %d more", n)
	}
	return all, folders.list()
}

// look reads the most exact report of one folder, and lists the folders in it.
func look(folder *os.Root, name string) (best found, folders []string, err error) {
	entries, err := fs.ReadDir(folder.FS(), name)
	if err != nil {
		return found{}, nil, err
	}
	known := formats()
	rank, report := len(known), ""
	for _, e := range entries {
		full := path.Join(name, e.Name())
		switch {
		case e.IsDir():
			if !slices.Contains(hidden, e.Name()) {
				folders = append(folders, full)
			}
		case e.Type().IsRegular():
			for i, f := range known[:rank] {
				if f.named(e.Name()) && f.is(head(folder, full)) {
					rank, report = i, full
					break
				}
			}
		}
	}
	if report == "" {
		return found{}, folders, nil
	}
	best, err = readAs(known[rank], folder, report)
	return best, folders, err
}

func readAs(f format, folder *os.Root, name string) (found, error) {
	file, err := open(folder, name)
	if err != nil {
		return found{}, &ReportError{name, err}
	}
	defer file.Close()
	r := found{tally: tally{}}
	if r.Summary, err = f.read(bufio.NewReaderSize(file, 64<<10), r.tally); err != nil {
		return found{}, &ReportError{name, fmt.Errorf("as %s: %w", f.name, err)}
	}
	r.Source = name
	return r, nil
}

// head is the beginning of a file, nothing of one that cannot be read.
func head(folder *os.Root, name string) []byte {
	file, err := open(folder, name)
	if err != nil {
		return nil
	}
	defer file.Close()
	text, _ := io.ReadAll(io.LimitReader(xmlstream.UTF8(file), headSize))
	return text
}

// open opens a regular file. It may have been replaced since it was listed: hence no waiting for a pipe's other end.
func open(folder *os.Root, name string) (*os.File, error) {
	file, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, errors.Join(errors.New("it is no regular file"), err)
	}
	return file, nil
}
