package ledger

import "testing"

func TestSign(t *testing.T) { Sign(1) }
