package detect

import (
	"path"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// jvm is Java, Kotlin and others with Gradle, Maven or sbt.
type jvm struct{}

func (jvm) name() string { return "jvm" }

func (jvm) marks() []string {
	return append([]string{"mvnw", "pom.xml", "build.sbt"}, gradleFiles...)
}

var gradleFiles = []string{
	"gradlew", "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts",
}

func (jvm) propose(p project) (proposal, error) {
	switch {
	case p.first(gradleFiles...) != "":
		return p.gradle(), nil
	case p.has("build.sbt"):
		return proposal{what: []string{"sbt"}, steps: []Step{
			{Name: "build", Command: "sbt compile"},
			{Name: "test", Command: "sbt test", Reports: []string{"**/target/**/test-reports/TEST-*.xml"}},
		}}, nil
	}
	pom, err := p.must("pom.xml")
	return p.maven(pom), err
}

// wrapper is how a script of the project is started: one that git does not have as executable by sh.
func (p project) wrapper(script, otherwise string) string {
	switch {
	case !p.has(script):
		return otherwise
	case p.executable(script):
		return "./" + script
	}
	return "sh ./" + script
}

func (p project) gradle() proposal {
	run := p.wrapper("gradlew", "gradle")
	build := Step{Name: "build", Command: run + " assemble"}
	test := Step{Name: "test", Command: run + " test", Reports: []string{"**/build/test-results/**/TEST-*.xml"}}
	text := p.text("build.gradle") + p.text("build.gradle.kts")
	if p.first("build.gradle", "build.gradle.kts") != "" {
		build.Artifacts = []Artifact{{
			Name: "builds", Path: "build/libs", When: "success", Optional: true,
			Note: "where the jar plugin writes; " + guessNote,
		}}
	}
	if strings.Contains(text, "jacoco") {
		test.Artifacts = []Artifact{coverageArtifact("build/reports/jacoco")}
		test.Command = run + " test jacocoTestReport"
	}
	return proposal{what: []string{"gradle"}, steps: []Step{build, test}}
}

var (
	pomModule    = pattern.New(`<module>\s*([\w][\w./-]*)\s*</module>`)
	pomPackaging = pattern.New(`<packaging>\s*pom\s*</packaging>`)
	xmlRemark    = pattern.New(`(?s)<!--.*?-->`)
)

func (p project) maven(pom string) proposal {
	pom = xmlRemark.ReplaceAllString(pom, "")
	run := p.wrapper("mvnw", "mvn") + " --batch-mode "
	build := Step{Name: "build", Command: run + "package -DskipTests"}
	test := Step{Name: "test", Command: run + "test", Reports: []string{"**/target/surefire-reports/TEST-*.xml"}}
	if strings.Contains(pom, "maven-failsafe-plugin") { // whose tests run after those of surefire
		test.Command = run + "verify"
		test.Reports = append(test.Reports, "**/target/failsafe-reports/TEST-*.xml")
	}
	folders := []string{}
	if !pomPackaging.MatchString(pom) {
		folders = append(folders, ".")
	}
	for _, m := range pomModule.FindAllStringSubmatch(pom, -1) {
		if module := path.Clean(m[1]); localFolder(module) && p.has(path.Join(module, "pom.xml")) &&
			!pomPackaging.MatchString(p.text(path.Join(module, "pom.xml"))) {
			folders = append(folders, module)
		}
	}
	for _, folder := range folders {
		if len(build.Artifacts) == maxArtifacts {
			build.Notes = append(build.Notes, "more modules are built, but not stored")
			break
		}
		build.store(output{path: path.Join(folder, "target")}, folder != ".")
	}
	if strings.Contains(pom, "jacoco-maven-plugin") {
		test.Artifacts = []Artifact{coverageArtifact("target/site/jacoco")}
	}
	return proposal{what: []string{"maven"}, steps: []Step{build, test}}
}
