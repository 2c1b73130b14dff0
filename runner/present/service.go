package present

import (
	"fmt"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// ServiceLine returns what became of a service: "db: ready in 1.2s, port 40123".
func ServiceLine(s record.Service) string {
	text := s.Name + ": "
	if s.Image != "" {
		text = fmt.Sprintf("%s (%s of %s): ", s.Name, s.Kind, s.Image)
	}
	switch {
	case s.Ready > 0:
		text += "ready in " + units.Duration(record.Duration(s.Ready))
	default:
		text += "not ready"
	}
	if s.Port != 0 {
		text += fmt.Sprintf(", port %d", s.Port)
	}
	if s.Error != "" {
		text += "; " + s.Error
	}
	if s.Killed {
		text += "; it had to be killed"
	}
	return text
}
