package detect

import (
	"encoding/json"
	"path"
)

// php is PHP with composer: Laravel, Pest or PHPUnit.
type php struct{}

func (php) name() string { return "php" }

func (php) marks() []string { return []string{"composer.json"} }

func (php) propose(p project) (proposal, error) {
	text, err := p.must("composer.json")
	if err != nil {
		return proposal{}, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		return proposal{}, &ReadError{path.Join(p.dir, "composer.json"), err}
	}
	needs, scripts := map[string]bool{}, map[string]string{}
	for _, key := range []string{"require", "require-dev"} {
		for _, s := range asScripts(keys[key]) {
			needs[s.name] = true
		}
	}
	for _, s := range asScripts(keys["scripts"]) {
		scripts[s.name] = s.line
	}
	s := Step{Name: "test", Reports: []string{"junit.xml"}}
	out := proposal{what: []string{"php"}}
	if p.has("composer.lock") {
		out.setup = "composer install --no-interaction --no-progress"
	}
	switch {
	case p.has("artisan"):
		out.what = append(out.what, "laravel")
		s.Command = "php artisan test --log-junit=junit.xml"
		s.Notes = []string{"the tests need .env or APP_KEY, and the database of phpunit.xml"}
	case needs["pestphp/pest"]:
		out.what = append(out.what, "pest")
		s.Command = "vendor/bin/pest --log-junit junit.xml"
	case needs["phpunit/phpunit"] || p.first("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml") != "":
		out.what = append(out.what, "phpunit")
		s.Command = "vendor/bin/phpunit --log-junit junit.xml"
	case scripts["test"] != "":
		s.Command, s.Reports = "composer run test", []string{}
		s.Notes = []string{noReport}
	default:
		s.Command, s.Reports = stub.Command, []string{}
		s.Notes = []string{"a composer.json, but neither artisan, pest nor phpunit was found: write the command here"}
	}
	out.steps = []Step{s}
	return out, nil
}
