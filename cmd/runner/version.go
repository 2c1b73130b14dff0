package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// number is the released version; see CHANGELOG.md.
var number = "0.2.0"

// commit is the commit that was built; the Makefile sets it. Empty: the module's build information has it.
var commit string

// webhookSum is the SHA-256 of the webhook's zip of the same release; the release sets it. Empty: this is no release.
var webhookSum string

func newVersionCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		GroupID: groupSetUp,
		Short:   "print the versions of the runner, Go and the AWS SDK",
		Args:    arguments(0),
		RunE:    func(*cobra.Command, []string) error { return o.print("%s", longVersion()) },
	}
}

// release names this build in records: the version and the commit.
func release() string {
	if c := revision(); c != "" {
		return number + "+" + c[:min(12, len(c))]
	}
	return number
}

func revision() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return commitOf(info.Main.Version)
}

// commitOf is the commit in the version that go install gives a module without a tag: v0.2.1-0.20261130180955-c3d85612e895.
func commitOf(version string) string {
	i := strings.LastIndexByte(version, '-')
	last := version[i+1:]
	if i < 14 || len(last) != 12 || strings.Trim(last, "0123456789abcdef") != "" {
		return ""
	}
	return last
}

// shortVersion is one line.
func shortVersion() string { return "runner " + release() }

func longVersion() string {
	var b strings.Builder
	fmt.Fprintf(&b, "runner  %s\n", number)
	if c := revision(); c != "" {
		fmt.Fprintf(&b, "commit  %s\n", c)
	}
	fmt.Fprintf(&b, "go      %s %s/%s\n", strings.TrimPrefix(runtime.Version(), "go"), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/aws/aws-sdk-go-v2" {
				fmt.Fprintf(&b, "aws sdk %s\n", strings.TrimPrefix(m.Version, "v"))
			}
		}
	}
	return b.String()
}
