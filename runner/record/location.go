package record

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// positions match how tools name a line: "src/a.test.ts:12:23", "(src/a.py:7)", and pytest's "a.py:7: AssertionError".
var positions = regexp.MustCompile(`([A-Za-z0-9_@./\\-]+\.[A-Za-z0-9]+):(\d+)(?::\d+)?`)

// FindLocation finds the line of a test's file in the text of its failure. File is the one that the report names, or
// ""; directory is where the command ran, relative to the repository. It returns "" and 0 if nothing fits.
func FindLocation(file, directory, details string) (string, int) {
	within := func(name string) string {
		name = strings.TrimSpace(strings.ReplaceAll(name, `\`, "/"))
		if i := strings.Index(name, "/"+directory+"/"); directory != "." && directory != "" && i >= 0 {
			name = name[i+1:]
		} else if !path.IsAbs(name) {
			name = path.Join(directory, name)
		}
		if path.IsAbs(name) || strings.HasPrefix(name, "..") || strings.Contains(name, "node_modules/") {
			return ""
		}
		return name
	}
	wanted := ""
	if file != "" {
		wanted = within(file)
	}
	for _, m := range positions.FindAllStringSubmatch(details, 200) {
		line, err := strconv.Atoi(m[2])
		if err != nil || line == 0 {
			continue
		}
		found := strings.TrimPrefix(strings.TrimSpace(strings.ReplaceAll(m[1], `\`, "/")), "./")
		switch {
		case wanted == "" && within(found) != "":
			return within(found), line
		case wanted != "" && (isTail(wanted, found) || isTail(found, wanted)):
			return wanted, line
		}
	}
	return wanted, 0
}

// isTail reports whether the last segments of a path are another path.
func isTail(path, tail string) bool { return path == tail || strings.HasSuffix(path, "/"+tail) }
