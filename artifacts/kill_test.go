package artifacts

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

const victim = "ARTIFACTS_TEST_VICTIM"

// victimMain publishes a folder; it says when it begins, so that the time until it is killed is spent publishing.
func victimMain() int {
	s, err := victimStore(os.Getenv(victim))
	if err == nil {
		fmt.Println("begin")
		_, err = Publish(context.Background(), s, coverage("main", sha1, os.Getenv(victim+"_DIR")))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("end")
	return 0
}

// victimStore is the folder or the bucket of that name.
func victimStore(name string) (Store, error) {
	bucket, ok := strings.CutPrefix(name, "s3://")
	if !ok {
		return NewFolder(name)
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		return nil, err
	}
	ttl := time.Duration(0)
	if os.Getenv(victim) != "" {
		ttl = time.Second // so that nobody waits long for what is killed
	}
	return NewS3(context.Background(), cfg, bucket, "", S3Options{LockTTL: ttl})
}

func startVictim(t *testing.T, store, dir string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+store, victim+"_DIR="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	says := bufio.NewReader(out)
	expect(t, says, "begin\n")
	return cmd, says
}

func expect(t *testing.T, says *bufio.Reader, want string) {
	t.Helper()
	if line, _ := says.ReadString('\n'); line != want {
		t.Fatalf("the publisher says %q, not %q", line, want)
	}
}

func TestKilledPublishersLeaveOldNewOrNone(t *testing.T) {
	contents := map[string]files{"a": many(40, "a"), "b": many(30, "b")}
	contents["b"]["only/in/b"] = "b"
	contents["b"]["lib/00"+".html"] = "b"
	top := t.TempDir()
	dirs := map[string]string{}
	for name, f := range contents {
		dirs[name] = filepath.Join(top, name)
		f.write(t, dirs[name])
	}
	store := filepath.Join(top, "store")

	cmd, says := startVictim(t, store, dirs["a"])
	began := time.Now()
	expect(t, says, "end\n")
	whole := time.Since(began) // not to the exit, which the race detector takes its time for
	must(t, cmd.Wait())

	ref := Ref{Branch: "main", SHA: sha1}
	seen := map[string]int{}
	for i := range 40 {
		name := []string{"b", "a"}[i%2]
		cmd, _ := startVictim(t, store, dirs[name])
		time.Sleep(time.Duration(rand.Int64N(int64(whole))))
		cmd.Process.Kill()
		cmd.Wait()

		// A reader that opens the folder, but is no publisher, sees one of three.
		s, err := NewFolder(store)
		must(t, err)
		set, mirror := state(t, s, "coverage", ref, contents), mirrorState(t, s, "coverage", "main", contents)
		seen["set "+set]++
		seen["mirror "+mirror]++
		if t.Failed() {
			t.Fatalf("round %d", i)
		}
		if i%4 == 3 { // the other rounds pile up on what the last ones left
			other := []string{"a", "b"}[i/4%2]
			publishOK(t, s, coverage("main", sha1, dirs[other]))
			got := read(t, store)
			want := contents[other].under(keys.Set("coverage", ref))
			for k, v := range contents[other].under(keys.Mirror("coverage", "main")) {
				want[k] = v
			}
			equal(t, "after repair", got.without("manifests/"), want)
			if n := len(got) - len(want); n != 3 {
				t.Errorf("%d records, want the manifest, the newest set's and the mirror's", n)
			}
		}
		must(t, s.Close())
	}
	t.Log(seen)
}
