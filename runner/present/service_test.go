package present

import (
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
)

func TestAServiceIsALine(t *testing.T) {
	for want, s := range map[string]record.Service{
		"db: ready in 1.2s, port 40123": {Name: "db", Kind: record.ServiceCommand, Ready: 1.2, Port: 40123},
		"db (container of postgres:17): ready in 3s, port 40123; it had to be killed": {
			Name: "db", Kind: record.ServiceContainer, Image: "postgres:17", Ready: 3, Port: 40123, Killed: true,
		},
		"db: not ready; service db ended: it exited with 3": {
			Name: "db", Kind: record.ServiceCommand, Error: "service db ended: it exited with 3",
		},
	} {
		if got := ServiceLine(s); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
