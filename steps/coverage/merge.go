package coverage

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"strings"
)

// maxMerged bounds the memory of merged files in bytes. Files beyond it are counted as if none came twice.
const maxMerged = 64 << 20

// merger adds up reports. They come in a fixed order, so that the same reports always give the same result.
type merger struct {
	names    names
	files    map[string]*merged // by their unique names
	byBase   map[string][]*merged
	rest     Summary // files beyond the bounds
	unlisted Summary // totals of reports that they do not list
	reports  []Report
	room     int
}

func newMerger(n names) *merger {
	return &merger{names: n, files: map[string]*merged{}, byBase: map[string][]*merged{}, room: maxMerged}
}

// merged is a source file in one or more reports.
type merged struct {
	*file
	sourceName
	unique string // the name, or one that tells it from another file of the name
	report string // the first that has it
	ranks  uint   // the formats that it is in, a bit each
}

// merge adds a report, unless another one is of the same run.
func (m *merger) merge(r found) {
	report := Report{Path: r.path, Format: formats()[r.rank].name, Files: len(r.files), Use: UseMerged}
	if same := m.sameRun(r); same != "" {
		report.Use, report.Same = UseDuplicate, same
	} else {
		m.add(r)
	}
	m.reports = append(m.reports, report)
}

// source names the reports that count.
func (m *merger) source() string {
	var counted []string
	for _, r := range m.reports {
		if r.Use == UseMerged {
			counted = append(counted, r.Path)
		}
	}
	if n := len(counted) - 1; n > 0 {
		return fmt.Sprintf("%s and %d more", counted[0], n)
	}
	return counted[0]
}

// add adds the files of a report.
func (m *merger) add(r found) {
	shared := false
	for _, name := range r.data.names {
		f, source := r.files[name], m.names.resolve(name, r)
		if target := m.find(source, f); target != nil {
			shared = true
			target.file.merge(f)
			target.ranks |= 1 << r.rank
			continue
		}
		if m.room -= f.size(); m.room < 0 {
			m.rest = m.rest.plus(f.summary())
			continue
		}
		target := &merged{file: f, sourceName: source, unique: source.name, report: r.path, ranks: 1 << r.rank}
		if m.files[target.unique] != nil { // another file of that name
			target.unique = path.Join(path.Dir(r.path), source.name)
		}
		for n := 2; m.files[target.unique] != nil; n++ {
			target.unique = fmt.Sprintf("%s (%d)", source.name, n)
		}
		m.files[target.unique] = target
		base := path.Base(source.name)
		m.byBase[base] = append(m.byBase[base], target)
	}
	m.rest = m.rest.plus(r.rest.summary())
	unlisted := r.unlisted()
	if shared { // these are of the same code, as far as can be known
		m.unlisted.Lines, m.unlisted.Branches = m.unlisted.Lines.atLeast(
			unlisted.Lines,
		), m.unlisted.Branches.atLeast(
			unlisted.Branches,
		)
		return
	}
	m.unlisted = m.unlisted.plus(unlisted)
}

// find returns the file that f is another report of.
func (m *merger) find(source sourceName, f *file) *merged {
	for _, candidate := range m.byBase[path.Base(source.name)] {
		if candidate.name == source.name && (source.certain && candidate.certain || sameCode(candidate.file, f)) {
			return candidate
		}
	}
	return nil
}

// sameCode reports whether two files of one name list the same lines. Different files, such as src/index.js of two
// packages, practically never do.
func sameCode(a, b *file) bool {
	if len(a.blocks) > 0 || len(b.blocks) > 0 {
		return maps.EqualFunc(a.blocks, b.blocks, func(block, block) bool { return true })
	}
	if a.listsLines() && b.listsLines() {
		return a.lines.equal(b.lines)
	}
	return a.summary().Lines.Total == b.summary().Lines.Total
}

// sameRun returns the report that has everything of r in another format, "" if there is none: a tool that writes
// several formats of a run names the same files and lines in each.
func (m *merger) sameRun(r found) (report string) {
	for _, name := range r.data.names {
		f := r.files[name]
		target := m.match(m.names.resolve(name, r).name)
		switch {
		case target == nil && f.summary().Lines.Total == 0: // some formats leave out files without code
			continue
		case target == nil || target.ranks&^(1<<r.rank) == 0 || !covers(target.file, f):
			return ""
		}
		report = cmp.Or(report, target.report)
	}
	return report
}

// match returns the only file of that name, or whose name ends with it or is its end: formats shorten names
// differently.
func (m *merger) match(name string) *merged {
	if exact := m.files[name]; exact != nil {
		return exact
	}
	var only *merged
	for _, candidate := range m.byBase[path.Base(name)] {
		if strings.HasSuffix(candidate.name, "/"+name) || strings.HasSuffix(name, "/"+candidate.name) {
			if only != nil {
				return nil
			}
			only = candidate
		}
	}
	return only
}

// covers reports whether a file has nearly all lines of f, and all of its hits on these.
func covers(a, f *file) bool {
	const most, of = 9, 10
	switch {
	case len(f.blocks) > 0: // of Go, which has statements instead of lines
		return true
	case f.listsLines() && a.listsLines():
		return f.lines.overlap(a.lines)*of >= f.lines.count()*most && f.hit.overlap(a.lines) == f.hit.overlap(a.hit)
	case f.listsLines():
		return false
	}
	stated, listed := f.summary().Lines, a.summary().Lines
	return stated.Covered <= listed.Covered && stated.Total*of >= listed.Total*most &&
		stated.Total*most <= listed.Total*of
}

// result adds everything up.
func (m *merger) result() Result {
	sum, folders := m.rest, tally{}
	folders.add(".", m.rest.Lines, m.rest.Branches)
	for _, f := range m.files {
		s := f.summary()
		sum = sum.plus(s)
		folders.add(path.Dir(f.unique), s.Lines, s.Branches)
	}
	sum.Lines, sum.Branches = sum.Lines.plus(m.unlisted.Lines), sum.Branches.plus(m.unlisted.Branches)
	sum.Source = m.source()
	return Result{Summary: sum, Folders: folders.list(), Reports: m.reports}
}
