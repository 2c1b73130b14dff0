package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/artifacts/cache"
	"github.com/carlin-cicd/runner/artifacts/s3"
	"github.com/carlin-cicd/runner/artifacts/s3test"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/scrub"
)

const bucket = "bench"

// client is a way to keep a folder in a bucket: command lines for it.
type client struct {
	save    func(b *bench, folder, prefix string) []string
	restore func(b *bench, folder, prefix string) []string
	cycle   func(b *bench, folder, prefix string) []string // nil: restore and save are processes of their own
}

func shell(format string, values ...any) []string {
	return []string{"/bin/bash", "-o", "pipefail", "-c", fmt.Sprintf(format, values...)}
}

var clients = map[string]client{
	"ours": {
		save:  func(b *bench, folder, prefix string) []string { return []string{b.self, "save", folder, prefix} },
		cycle: func(b *bench, folder, prefix string) []string { return []string{b.self, "cycle", folder, prefix} },
	},
	"tar": {
		save: func(_ *bench, folder, prefix string) []string {
			return shell("tar -C %s -cf - folder | zstd -q -T1 | "+
				"aws s3 cp --only-show-errors --expected-size 2000000000 - s3://%s/%s.tar.zst",
				filepath.Dir(folder), bucket, prefix)
		},
		restore: func(_ *bench, folder, prefix string) []string {
			return shell("aws s3 cp --only-show-errors s3://%s/%s.tar.zst - | zstd -qd | tar -C %s -xf -",
				bucket, prefix, filepath.Dir(folder))
		},
	},
	"rclone": {
		save: func(b *bench, folder, prefix string) []string {
			return append(rclone(b), folder, ":s3:"+bucket+"/"+prefix)
		},
		restore: func(b *bench, folder, prefix string) []string {
			return append(rclone(b), ":s3:"+bucket+"/"+prefix, folder)
		},
	},
}

func rclone(b *bench) []string {
	return []string{
		"/usr/bin/env", "-u", "AWS_CA_BUNDLE", "rclone", "sync", "--config", filepath.Join(b.dir, "rclone.conf"),
		"--transfers", "64", "--checkers", "64",
		"--links", "--checksum", "--fast-list", "--s3-no-check-bucket", "--s3-no-head", "--s3-endpoint", b.server.endpoint,
		"--s3-provider", "Minio", "--s3-env-auth", "--s3-region", s3test.Region, "--s3-force-path-style",
		"--ca-cert", b.server.bundle,
	}
}

// open returns the cache of a prefix, and what is saved. The process is as frugal as the runner is.
func open(ctx context.Context, args []string) (*cache.Cache, []cache.Path, error) {
	if len(args) != 2 {
		return nil, nil, fmt.Errorf("save and cycle need a folder and a prefix")
	}
	debug.SetMemoryLimit(52 << 20)
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, nil, err
	}
	store, err := s3.New(ctx, aws, bucket, args[1], s3.Options{})
	if err != nil {
		return nil, nil, err
	}
	c := &cache.Cache{Store: store, Name: "bench", Branch: "main", Main: "main", Platform: cache.Platform()}
	return c, []cache.Path{{Base: filepath.Dir(args[0]), Rel: filepath.Base(args[0])}}, nil
}

func saveOptions(key string, paths []cache.Path) cache.SaveOptions {
	redactor := redact.New() // a literal here would be in Go's build cache
	for range 10 {
		redactor.Add(redact.Secret{Name: "TOKEN", Value: rand.Text()})
	}
	return cache.SaveOptions{
		Key: cache.NewKey(key), Paths: paths, Declared: []string{"folder"},
		Inspect: scrub.Folder{Redactor: redactor.Known()}.Inspect,
	}
}

func runSave(ctx context.Context, args []string) error {
	c, paths, err := open(ctx, args)
	if err != nil {
		return err
	}
	debug.SetGCPercent(20) // as the runner has it once a command has run
	if _, err = c.Save(ctx, nil, saveOptions("first", paths)); err != nil {
		return err
	}
	return report("saved")
}

// report says that a part of the work is over, and waits until its figures are taken.
func report(what string) error {
	fmt.Println(what)
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

// runCycle restores, waits for the folder to be changed, and saves.
func runCycle(ctx context.Context, args []string) error {
	c, paths, err := open(ctx, args)
	if err != nil {
		return err
	}
	restored, err := c.Restore(ctx, cache.NewKey("second"), paths, []string{"folder"})
	if err != nil || !restored.Hit {
		return fmt.Errorf("nothing was restored: %v, %w", restored.Problems, err)
	}
	if err := report("restored"); err != nil {
		return err
	}
	debug.SetGCPercent(20)
	if _, err := c.Save(ctx, restored, saveOptions("second", paths)); err != nil {
		return err
	}
	return report("saved")
}
