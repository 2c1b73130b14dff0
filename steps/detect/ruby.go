package detect

import (
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// ruby is Ruby with bundler: Rails, RSpec, or the task test of rake.
type ruby struct{}

func (ruby) name() string { return "ruby" }

func (ruby) marks() []string { return []string{"Gemfile"} }

var rakeTest = pattern.New(`Rake::TestTask|Minitest::TestTask|task\s+:?["']?test\b`)

func (ruby) propose(p project) (proposal, error) {
	gems, err := p.must("Gemfile")
	if err != nil {
		return proposal{}, err
	}
	gems += p.text("Gemfile.lock")
	for _, name := range p.files[p.dir] {
		if strings.HasSuffix(name, ".gemspec") {
			gems += p.text(name)
		}
	}
	s := Step{Name: "test", Reports: []string{}}
	out := proposal{what: []string{"ruby"}}
	if p.has("Gemfile.lock") {
		out.setup = "bundle install"
	}
	rails := p.has("bin/rails")
	switch {
	case strings.Contains(gems, "rspec") && (p.has("spec") || p.has(".rspec")):
		out.what = append(out.what, "rspec")
		s.Command = "bundle exec rspec"
		if strings.Contains(gems, "rspec_junit_formatter") {
			s.Command += " --format progress --format RspecJunitFormatter --out junit.xml"
			s.Reports, s.Rerun = []string{"junit.xml"}, s.Command+" {files}"
		} else {
			s.Notes = append(s.Notes, "with rspec_junit_formatter in the Gemfile, failed tests are named: "+
				"bundle exec rspec --format progress --format RspecJunitFormatter --out junit.xml")
		}
	case rails:
		out.what = append(out.what, "rails")
		s.Command = p.wrapper("bin/rails", "") + " test"
		s.Notes = append(s.Notes, "rails test writes no JUnit report: minitest-reporters or minitest-junit does")
	case rakeTest.MatchString(p.text("Rakefile")):
		out.what = append(out.what, "rake")
		s.Command = "bundle exec rake test"
		s.Notes = append(s.Notes, "rake test writes no JUnit report: minitest-reporters or minitest-junit does")
	default:
		s.Command = stub.Command
		s.Notes = []string{"a Gemfile, but neither rspec, rails nor a task test of rake was found: write the command here"}
	}
	if rails {
		s.Notes = append(s.Notes, "the database has to be there: bin/rails db:prepare under before: makes it")
	}
	if strings.Contains(gems, "simplecov") {
		s.Artifacts = []Artifact{coverageArtifact("coverage")}
	}
	out.steps = []Step{s}
	return out, nil
}
