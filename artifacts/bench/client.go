package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// job is one work for one client.
type job struct {
	work
	dir      string // its files
	bucket   string // of the client and the round
	endpoint string
	bundle   string // file with the authority's certificate, "" without TLS
	scratch  string // for a client's own files
	self     string // this program
	runner   string // "" for this program
}

const (
	branch = "bench"
	sha    = "1111111111111111111111111111111111111111"
)

// files is the one that the job is about, or its folder.
func (j job) files() string {
	if j.single {
		return filepath.Join(j.dir, "chunk-00.bin")
	}
	return j.dir
}

// client is a program that can do the work.
type client struct {
	name    string
	program string // "" for this one
	// arguments after the program's name; the environment is added to that of environment
	command func(j job) (arguments, environment []string)
	// under is where the files of a folder end up in the bucket.
	under func(folder string) string
}

func asIs(folder string) string { return folder + "/" }

// clients are tuned as their manuals advise for many small files; where a flag makes one compare by checksum in place
// of time, it has it.
var clients = []client{
	{
		name: "ours", under: func(folder string) string { return folder + "/builds/" + branch + "/" + sha + "/" },
		command: func(j job) ([]string, []string) {
			location := "s3://" + j.bucket + "/" + j.folder
			if j.runner == "" {
				return []string{"publish", location, "builds", j.dir, branch, sha}, nil
			}
			arguments := []string{"artifacts", "put", "builds", j.dir, "--branch", branch, "--sha", sha}
			return arguments, []string{"ARTIFACT_BUCKET=" + location}
		},
	},
	{
		name: "floor", under: asIs,
		command: func(j job) ([]string, []string) {
			return []string{"floor", j.dir, j.bucket, j.folder + "/"}, nil
		},
	},
	{
		name: "aws", program: "aws", under: asIs,
		command: func(j job) ([]string, []string) {
			to := "s3://" + j.bucket + "/" + j.folder + "/"
			switch {
			case j.single:
				return []string{"s3", "cp", "--only-show-errors", j.files(), to}, nil
			case j.remove:
				return []string{"s3", "sync", "--only-show-errors", "--delete", j.dir, to}, nil
			}
			return []string{"s3", "sync", "--only-show-errors", j.dir, to}, nil
		},
	},
	{
		name: "s5cmd", program: "s5cmd", under: asIs,
		command: func(j job) ([]string, []string) {
			to := "s3://" + j.bucket + "/" + j.folder + "/"
			do := []string{"--endpoint-url", j.endpoint, "--log", "error"}
			switch {
			case j.single:
				return append(do, "cp", j.files(), to), nil
			case j.remove:
				return append(do, "sync", "--delete", j.dir+"/", to), nil
			}
			return append(do, "sync", j.dir+"/", to), nil
		},
	},
	{
		name: "rclone", program: "rclone", under: asIs,
		command: func(j job) ([]string, []string) {
			arguments := []string{
				"sync", "--config", filepath.Join(j.scratch, "rclone.conf"), "--transfers", "64", "--checkers", "64",
				"--checksum", "--fast-list", "--s3-no-check-bucket", "--s3-upload-concurrency", "16", "--s3-endpoint", j.endpoint,
				"--s3-provider", "Minio", // as AWS it needs TLS
				"--s3-env-auth", "--s3-region", s3test.Region, "--s3-force-path-style",
			}
			if j.bundle != "" {
				arguments = append(arguments, "--ca-cert", j.bundle)
			}
			return append(arguments, j.dir, ":s3:"+j.bucket+"/"+j.folder), nil
		},
	},
	{
		name: "mc", program: "mc", under: asIs,
		command: func(j job) ([]string, []string) {
			to := "bench/" + j.bucket + "/" + j.folder
			u, _ := url.Parse(j.endpoint)
			u.User = url.UserPassword(s3test.AccessKeyID, s3test.SecretAccessKey)
			environment := []string{"MC_HOST_bench=" + u.String()}
			arguments := []string{"--config-dir", filepath.Join(j.scratch, "mc"), "--quiet"}
			if j.single {
				return append(arguments, "cp", j.files(), to+"/"), environment
			}
			arguments = append(arguments, "mirror", "--overwrite")
			if j.remove {
				arguments = append(arguments, "--remove")
			}
			return append(arguments, j.dir, to), environment
		},
	},
}

func clientNames() []string {
	names := make([]string, len(clients))
	for i, c := range clients {
		names[i] = c.name
	}
	return names
}

// line is the command line of a job, and the environment it runs in, in which nothing of the user's is.
func (c client) line(j job) (line, environment []string, err error) {
	arguments, more := c.command(j)
	program := j.self
	switch {
	case c.program != "":
		if program, err = exec.LookPath(c.program); err != nil {
			return nil, nil, err
		}
	case c.name == "ours" && j.runner != "":
		program = j.runner
	}
	environment = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + j.scratch,
		"AWS_ENDPOINT_URL=" + j.endpoint, "AWS_REGION=" + s3test.Region, "AWS_DEFAULT_REGION=" + s3test.Region,
		"AWS_ACCESS_KEY_ID=" + s3test.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + s3test.SecretAccessKey,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
	}
	if j.bundle != "" {
		environment = append(environment, "SSL_CERT_FILE="+j.bundle)
		if c.name != "rclone" { // Debian's refuses to begin with both this and --ca-cert
			environment = append(environment, "AWS_CA_BUNDLE="+j.bundle)
		}
	}
	return append([]string{program}, arguments...), append(environment, more...), nil
}

// present are the clients to measure: those asked for, which have to be there, or all that are.
func present(asked []string) ([]client, []string, error) {
	var there []client
	var missing []string
	for _, c := range clients {
		if len(asked) > 0 && !contains(asked, c.name) {
			continue
		}
		if c.program != "" {
			if _, err := exec.LookPath(c.program); err != nil {
				missing = append(missing, c.name)
				continue
			}
		}
		there = append(there, c)
	}
	if len(asked) > 0 && len(missing) > 0 {
		return nil, nil, fmt.Errorf("not in PATH: %s", strings.Join(missing, ", "))
	}
	return there, missing, nil
}
