//go:build !linux

package artifacts

import "testing"

func mountTmpfs(t *testing.T, _ string) string {
	t.Skip("there is no tmpfs")
	return ""
}
