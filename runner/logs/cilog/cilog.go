// Package cilog makes the log of a CI job and secrets as CI has them, for tests and benchmarks: always the same,
// so that figures of different packages and programs are of the same work.
package cilog

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// Size is the least length of Log, in bytes.
	Size = 67 << 20
	// Block is what a read of a command's pipe returns at most, in bytes.
	Block = 256 << 10
)

// Log returns some 67 MB of lines of the kind that CI makes, which are not to be changed: package manager,
// compiler, tests, container build; one line in eight coloured, some with hashes, some beyond ASCII; 108 bytes a
// line on average.
func Log() []byte { return log() }

var log = sync.OnceValue(func() []byte {
	rnd := rand.New(rand.NewPCG(3, 4))
	packages := []string{
		"@babel/core",
		"webpack",
		"typescript",
		"eslint-plugin-import",
		"jest-junit",
		"@aws-sdk/client-s3",
		"react-dom",
		"esbuild",
	}
	words := []string{
		"resolves",
		"the",
		"stack",
		"when",
		"branch",
		"renders",
		"cache",
		"returns",
		"an",
		"error",
		"for",
		"unknown",
		"tokens",
	}
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	sentence := func(n int) string {
		chosen := make([]string, n)
		for i := range chosen {
			chosen[i] = pick(words)
		}
		return strings.Join(chosen, " ")
	}
	hash := func(n int) string { return Hex(rnd, n) }
	out := bytes.NewBuffer(make([]byte, 0, Size+1024))
	for out.Len() < Size {
		switch rnd.IntN(16) {
		case 0, 1:
			fmt.Fprintf(
				out,
				"npm http fetch GET 200 https://registry.example.com/%s/-/%s-%d.%d.%d.tgz %dms (cache miss)\n",
				pick(packages),
				pick(packages),
				rnd.IntN(20),
				rnd.IntN(30),
				rnd.IntN(9),
				rnd.IntN(900),
			)
		case 2:
			fmt.Fprintf(out, "\x1b[32m  ✓\x1b[39m \x1b[2m%s (%d ms)\x1b[22m\n", sentence(13), rnd.IntN(400))
		case 3:
			fmt.Fprintf(
				out,
				"\x1b[0m\x1b[7m\x1b[1m\x1b[32m PASS \x1b[39m\x1b[22m\x1b[27m\x1b[0m \x1b[2mpackages/%s/src/\x1b[22m\x1b[1m%s.test.ts\x1b[22m\n",
				pick(packages),
				hash(12),
			)
		case 4, 5, 6:
			fmt.Fprintf(
				out,
				"packages/%s/src/components/%s/%s.tsx(%d,%d): warning TS%d: Property '%s' does not exist on type '%s'.\n",
				pick(packages),
				hash(8),
				pick(words),
				rnd.IntN(900),
				rnd.IntN(80),
				2000+rnd.IntN(700),
				pick(words),
				sentence(3),
			)
		case 7, 8:
			fmt.Fprintf(
				out,
				"#%d %d.%03d Step %d/%d : RUN --mount=type=cache,target=/root/.cache pnpm install --frozen-lockfile --filter %s\n",
				rnd.IntN(40),
				rnd.IntN(90),
				rnd.IntN(1000),
				rnd.IntN(20),
				20,
				pick(packages),
			)
		case 9:
			fmt.Fprintf(
				out,
				"    at Object.<anonymous> (/workspace/packages/%s/src/%s.ts:%d:%d)\n",
				pick(packages),
				hash(10),
				rnd.IntN(500),
				rnd.IntN(80),
			)
		case 10:
			fmt.Fprintf(
				out,
				"{\"level\":\"info\",\"time\":%d,\"msg\":\"%s\",\"requestId\":\"%s\",\"durationMs\":%d}\n",
				1700000000000+rnd.IntN(1e9),
				sentence(6),
				hash(32),
				rnd.IntN(5000),
			)
		case 11:
			fmt.Fprintf(out, "── %s — größe %d kB · %s\n", pick(packages), rnd.IntN(9000), sentence(8))
		case 12:
			out.WriteString("\n")
		default:
			fmt.Fprintf(
				out,
				"dist/assets/%s-%s.js   %d.%02d kB │ gzip: %d.%02d kB │ map: %d.%02d kB  sha256:%s\n",
				pick(words),
				hash(8),
				rnd.IntN(900),
				rnd.IntN(100),
				rnd.IntN(300),
				rnd.IntN(100),
				rnd.IntN(2000),
				rnd.IntN(100),
				hash(64),
			)
		}
	}
	return out.Bytes()
})

// Secrets returns n secrets of five kinds in turns: 32 hex digits, 40 characters of base64, a GitHub token, the
// id of an AWS key, 16 characters with symbols.
func Secrets(n int) []string {
	const upper, lower, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
	rnd := rand.New(rand.NewPCG(5, 6))
	letters := func(n int, alphabet string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[rnd.IntN(len(alphabet))]
		}
		return string(b)
	}
	secrets := make([]string, n)
	for i := range secrets {
		switch i % 5 {
		case 0:
			secrets[i] = Hex(rnd, 32)
		case 1:
			secrets[i] = base64.StdEncoding.EncodeToString(randomBytes(rnd, 30))
		case 2:
			secrets[i] = "ghp_" + letters(36, upper+lower+digits)
		case 3:
			secrets[i] = "AKIA" + letters(16, upper+digits)
		default:
			secrets[i] = letters(16, upper+lower+digits+`!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`)
		}
	}
	return secrets
}

// Attributes returns what a run says with each record of its log.
func Attributes() []slog.Attr {
	return []slog.Attr{
		slog.String("step", "test"),
		slog.String("run_id", "01JDB3Z6W2V8N4T9QK5E7XHMRC"),
		slog.String("branch", "feature/faster-logs"),
		slog.String("sha", "4f2d8c1b9a7e6f5d3c2b1a0987654321fedcba98"),
		slog.String("environment", "staging"),
		slog.String("task", "7b1e4c9d2f8a4e6b9c3d5f7a1b2c4d6e"),
	}
}

// Hex returns n random hex digits.
func Hex(rnd *rand.Rand, n int) string { return hex.EncodeToString(randomBytes(rnd, n))[:n] }

func randomBytes(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.IntN(256))
	}
	return b
}

// CPU returns the time that this process has kept processors busy, in user and system mode. Unlike the clock's,
// it means something on a machine that does other work, too.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it takes no argument that could be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
