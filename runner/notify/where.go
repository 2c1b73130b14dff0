package notify

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// places are how tools name a line: "src/a.test.ts:12:23" and "(src/a.py:7)", and as pytest has it "a.py:7: AssertionError".
var places = regexp.MustCompile(`([A-Za-z0-9_@./\\-]+\.[A-Za-z0-9]+):(\d+)(?::\d+)?`)

// FindLocation finds the line of a test's file that a failure names, in what it says. File is the one that the report names, if
// it does; directory is where the command ran, both relative to the repository. The place is "" and 0 where nothing fits.
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
	for _, m := range places.FindAllStringSubmatch(details, 200) {
		line, err := strconv.Atoi(m[2])
		if err != nil || line == 0 {
			continue
		}
		found := strings.TrimSpace(strings.ReplaceAll(m[1], `\`, "/"))
		switch {
		case wanted != "" && (strings.HasSuffix(found, "/"+wanted) || strings.TrimPrefix(found, "./") == wanted || strings.HasSuffix(wanted, "/"+strings.TrimPrefix(found, "./"))):
			return wanted, line
		case wanted == "" && within(found) != "":
			return within(found), line
		}
	}
	return wanted, 0
}
