package source

import (
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/source/sourcetest"
)

const token = sourcetest.Token

// trusting returns a recorder whose git trusts the server's certificate.
func trusting(t *testing.T, s *sourcetest.Server) *recorder {
	return &recorder{variables: []string{"GIT_SSL_CAINFO=" + s.CAFile(t)}}
}

func TestATokenIsUsedAndLeavesNoTrace(t *testing.T) {
	dir, first, second := repository(t)
	s := sourcetest.Serve(t, dir)
	r := trusting(t, s)
	// The machine's own credential helpers neither get the token nor are asked for another one.
	stored := filepath.Join(t.TempDir(), "stored")
	r.variables = append(
		r.variables, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=credential.helper",
		"GIT_CONFIG_VALUE_0=store --file="+stored,
	)
	s.FailFirst(http.StatusBadGateway, http.StatusTooManyRequests)
	ws := t.TempDir()
	var j journal
	if _, _, err := Checkout(
		t.Context(), r.run,
		Options{URL: s.RepositoryURL(dir), SHA: first, Dir: ws, Token: token + "\n", Retries: 2, Log: j.log()},
	); err != nil {
		t.Fatal(err, j.text.String())
	}
	if content(t, ws, "file") != "one" || strings.Count(j.text.String(), "retrying the fetch") != 2 {
		t.Errorf("file has %q; %q", content(t, ws, "file"), j.text.String())
	}
	if _, _, err := Checkout(
		t.Context(), r.run, Options{URL: s.RepositoryURL(dir), SHA: second, Dir: ws, Token: token},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(stored); err == nil {
		t.Error("the token was stored")
	}
	for _, secret := range []string{token, base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))} {
		if strings.Contains(strings.Join(append(r.arguments, j.text.String()), " "), secret) {
			t.Error("the token is in an argument or in the log")
		}
		files := 0
		err := filepath.WalkDir(ws, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			files++
			text, err := os.ReadFile(path)
			if strings.Contains(string(text), secret) {
				t.Errorf("the token is in %s", path)
			}
			return err
		})
		if err != nil || files < 5 {
			t.Fatalf("%d files were looked at: %v", files, err)
		}
	}
}

func TestATokenIsNotSentToTheTargetOfARedirect(t *testing.T) {
	dir, first, _ := repository(t)
	s, elsewhere := sourcetest.Serve(t, dir), sourcetest.Serve(t, dir)
	s.RedirectTo = elsewhere.URL
	_, _, err := Checkout(
		t.Context(), trusting(t, s).run,
		Options{URL: s.RepositoryURL(dir), SHA: first, Dir: t.TempDir(), Token: token, Retries: 2},
	)
	if err == nil {
		t.Error("the other server, which requires the token, accepted the request")
	}
	if len(elsewhere.Headers()) == 0 {
		t.Fatal("git did not follow, so this tests nothing")
	}
	for _, header := range elsewhere.Headers() {
		if header != "" && header != "Basic Og==" { // an empty user and password
			t.Errorf("it was sent %q", header)
		}
	}
}

func TestOnlyNetworkErrorsAreRetried(t *testing.T) {
	dir, first, _ := repository(t)
	s := sourcetest.Serve(t, dir)
	for name, c := range map[string]struct {
		options Options
		tries   int
	}{
		"a wrong token":  {Options{Token: "ghp_wrong", SHA: first}, 1},
		"no such commit": {Options{Token: token, SHA: strings.Repeat("e", 40)}, 1},
		"a bad gateway":  {Options{Token: token, SHA: first}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s.FailFirst()
			if c.tries > 1 {
				s.FailFirst(502, 502, 502, 502)
			}
			r := trusting(t, s)
			c.options.URL, c.options.Dir, c.options.Retries = s.RepositoryURL(dir), t.TempDir(), 1
			if _, _, err := Checkout(
				t.Context(), r.run, c.options,
			); err == nil || is[*NetworkError](err) != (c.tries > 1) {
				t.Errorf("error is %v", err)
			}
			if n := strings.Count(strings.Join(r.arguments, " "), " fetch "); n != c.tries {
				t.Errorf("there were %d attempts", n)
			}
		})
	}
}

func TestErrorsAndHints(t *testing.T) {
	dir, first, _ := repository(t)
	s := sourcetest.Serve(t, dir)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	plain := httptest.NewServer(http.HandlerFunc(s.ServeHTTP))
	defer plain.Close()
	missing := strings.Repeat("f", 40)
	broken := t.TempDir()
	write(t, broken, ".git", "gitdir: nowhere\n")
	for name, c := range map[string]struct {
		options Options
		is      func(error) bool
		hint    string
	}{
		"there is no such commit": {Options{URL: "file://" + dir, SHA: missing}, is[*NotFoundError], "push it"},
		"there is no such commit, https": {
			Options{URL: s.RepositoryURL(dir), SHA: missing, Token: token}, is[*NotFoundError], "push it",
		},
		"the token is wrong": {
			Options{URL: s.RepositoryURL(dir), SHA: first, Token: "ghp_wrong"},
			is[*AccessError],
			"GITHUB_TOKEN is valid",
		},
		"there is no token": {
			Options{URL: s.RepositoryURL(dir), SHA: first}, is[*AccessError], "needs GITHUB_TOKEN",
		},
		"the token is not sent over http": {
			Options{URL: plain.URL + "/x/.git", SHA: first, Token: "ghp_wrong"}, is[*AccessError], "https only",
		},
		"there is no such repository": {
			Options{URL: "file://" + dir + "-nowhere", SHA: first}, is[*AccessError], "check the URL",
		},
		"the server is down": {
			Options{URL: "https://" + closed.Addr().String() + "/x.git", SHA: first},
			is[*NetworkError],
			"security group",
		},
		"the commit is abbreviated": {
			Options{URL: s.RepositoryURL(dir), SHA: first[:10]}, is[*Error], "all 40 digits",
		},
		"the commit is a branch": {
			Options{URL: s.RepositoryURL(dir), SHA: "main"}, is[*Error], "all 40 digits",
		},
		"the URL has a password in it": {
			Options{URL: "https://me:hunter2@example.com/x.git", SHA: first}, is[*Error], "GITHUB_TOKEN",
		},
		"the URL runs a command": {
			Options{URL: "ext::touch " + filepath.Join(broken, "ran"), SHA: first}, is[*Error], "use https",
		},
		"the target of .git is missing": {
			Options{URL: "file://" + dir, SHA: first, Dir: broken}, is[*Error], ".git is complete",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.options.Dir == "" {
				c.options.Dir = t.TempDir()
			}
			_, _, err := Checkout(t.Context(), trusting(t, s).run, c.options)
			if !c.is(err) {
				t.Fatalf("error is %T: %v", err, err)
			}
			if hint, ok := err.(interface{ Hint() string }); !ok || !strings.Contains(hint.Hint(), c.hint) {
				t.Errorf("the hint of %q does not mention %q", err, c.hint)
			}
			for _, never := range []string{"hunter2", "ghp_wrong", "\n"} {
				if strings.Contains(err.Error(), never) {
					t.Errorf("the message is %q", err)
				}
			}
		})
	}
	t.Run("the certificate is not trusted", func(t *testing.T) {
		_, _, err := Checkout(
			t.Context(), (&recorder{}).run,
			Options{URL: s.RepositoryURL(dir), SHA: first, Dir: t.TempDir(), Retries: 3},
		)
		if e := (*Error)(nil); !errors.As(err, &e) || !strings.Contains(e.Advice, "GIT_SSL_CAINFO") {
			t.Errorf("error is %T: %v", err, err)
		}
	})
	if content(t, broken, "ran") != "" {
		t.Error("the URL ran a command")
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestReasonsInTheOutputOfGit(t *testing.T) {
	for output, check := range map[string]func(error) bool{
		"Host key verification failed.\nfatal: Could not read from " +
			"remote repository.": is[*HostKeyError],
		"No ED25519 host key is known for x.\nHost key verification failed.\nthe " +
			"remote end hung up": is[*HostKeyError],
		"git@github.com: Permission denied (publickey).\nfatal: Could not read from " +
			"remote repository.": is[*AccessError],
		"ERROR: Repository not found.\nfatal: Could not read from " +
			"remote repository.": is[*AccessError],
		"remote: Not Found\nfatal: repository " +
			"'https://x/' not found": is[*AccessError],
		"fatal: unable to access 'https://x/': The requested URL " +
			"returned error: 403": is[*AccessError],
		"fatal: unable to access 'https://x/': The requested URL " +
			"returned error: 429": is[*NetworkError],
		"fatal: unable to access 'https://x/': The requested URL " +
			"returned error: 503": is[*NetworkError],
		"fatal: unable to access 'https://x/': Could not " +
			"resolve host: x": is[*NetworkError],
		"ssh: Could not resolve hostname x: Name or " +
			"service not known": is[*NetworkError],
		"fatal: unable to access 'https://x/': Operation too slow. Less than " +
			"1000 bytes/sec": is[*NetworkError],
		"kex_exchange_identification: Connection closed\nfatal: Could not read from " +
			"remote repository.": is[*NetworkError],
		"error: RPC failed; curl 92 HTTP/2 stream 5 was not " +
			"closed cleanly": is[*NetworkError],
		"fatal: write error: No space left on device\nerror: RPC failed\nfatal: early EOF": is[*Error],
		"error: RPC failed; HTTP 301 curl 22 The requested URL returned error: 301":        is[*Error],
		"fatal: remote error: upload-pack: not " +
			"our ref ffff": is[*NotFoundError],
		"error: Server does not allow request for " +
			"unadvertised object ffff": is[*NotFoundError],
		"fatal: Unable to create '/ws/.git/index.lock': File exists.": is[*Error],
		"error: cannot open '.git/FETCH_HEAD': Permission denied":     is[*Error],
		"": is[*Error],
	} {
		c := client{Options: Options{SHA: "ffff"}, origin: origin{url: "https://x/"}}
		if err := c.explain(output, errors.New("exit 128")); !check(err) {
			t.Errorf("%q is %T", output, err)
		}
	}
}

func TestLastLinesAreShortAndWithoutSecrets(t *testing.T) {
	output := "first\nsecond\nremote: bad " + token + "\nhint: try this\n\n\x1b[31mfatal: no\x07\nand the " +
		"repository exists.\n" + strings.Repeat(
		"x", 1000,
	)
	got := lastLines(output, token)
	if want := "remote: bad [REDACTED]; [31mfatal: no; " + strings.Repeat("x", maxLine) + "…"; got != want {
		t.Errorf("says %q, want %q", got, want)
	}
}
