package carlin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// configFiles are the names of carlin's configuration, in its order. The first two are programs.
var configFiles = []string{"carlin.ts", "carlin.js", "carlin.yml", "carlin.yaml", "carlin.json"}

// region of a configuration that is a program: a plain text as the value of a key.
var regionInCode = pattern.New(`\bregion["']?\s*:\s*["']([a-z]{2}[a-z-]*-\d)["']`)

// Region returns the region that carlin deploys to by its variable or its configuration, and whether one of them says
// so. The region is "" if it cannot be read. carlin does not read AWS_REGION.
func Region(dir string, variables map[string]string) (region string, configured bool) {
	if region := variables["CARLIN_REGION"]; region != "" {
		return region, true
	}
	for _, file := range configurations(dir) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if extension := filepath.Ext(file); extension == ".ts" || extension == ".js" {
			found := regionInCode.FindAllStringSubmatch(string(text), 2)
			switch {
			case len(found) == 1:
				return found[0][1], true
			case strings.Contains(string(text), "region"):
				return "", true
			}
			continue
		}
		var c settings
		_ = yaml.Unmarshal(text, &c) // of which JSON is a part; carlin itself says what is wrong
		if region := c.region(variables["ENVIRONMENT"]); region != "" {
			return region, true
		}
	}
	var pkg struct{ Carlin settings }
	if text, err := os.ReadFile(filepath.Join(dir, "package.json")); err == nil {
		_ = json.Unmarshal(text, &pkg)
	}
	region = pkg.Carlin.region(variables["ENVIRONMENT"])
	return region, region != ""
}

// settings are the parts of carlin's configuration that say where it deploys.
type settings struct {
	Region       string
	Environments map[string]struct{ Region string }
}

func (s settings) region(environment string) string {
	if own := s.Environments[environment].Region; own != "" {
		return own
	}
	return s.Region
}

// configurations returns carlin's configuration files for a folder, the nearest first: carlin merges those of the
// folders above it.
func configurations(dir string) (files []string) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	for dir := absolute; ; dir = filepath.Dir(dir) {
		for _, name := range configFiles {
			file := filepath.Join(dir, name)
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
				files = append(files, file)
				break // carlin reads one of a folder
			}
		}
		if filepath.Dir(dir) == dir {
			return files
		}
	}
}
