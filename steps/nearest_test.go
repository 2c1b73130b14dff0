package steps

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"build", "test", "deploy", "migrate", "ls"}
	for name, c := range map[string]struct{ word, want string }{
		"neighbors that were swapped":         {"tset", "test"},
		"a character too many":                {"buildd", "build"},
		"a missing character":                 {"migrte", "migrate"},
		"another character":                   {"deplox", "deploy"},
		"two errors in a long name":           {"migarte", "migrate"},
		"two errors in a short name":          {"rust", ""},
		"another word":                        {"nonsense", ""},
		"a word that shares nothing but size": {"cp", ""},
		"an empty word":                       {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Nearest(c.word, names); got != c.want {
				t.Errorf("Nearest(%q) is %q, want %q", c.word, got, c.want)
			}
		})
	}
}
