package report

import "testing"

func TestAll(t *testing.T) { All(-1) }
