package story

import (
	"bytes"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
)

func TestARequestThatIsMadeAgainAfterADeathIsTold(t *testing.T) {
	var out, log bytes.Buffer
	tale := staffed(t.Context(), Config{Out: &out, Log: &log}, subscription, nil, func(error) {})
	tell := func(from, what string) {
		tale.hear(from, &host.Note{
			Msg: "provisioning: request " + what, Instance: "alpha", Activity: "ensure.poll", What: "container app a", Line: []byte(from + " " + what + "\n"),
		})
	}
	tell("host 1", "begun")
	tell("host 1", "ended")
	tell("host 2", "begun")
	if out.Len() != 0 {
		t.Errorf("nothing was lost, and it tells %q", out.String())
	}
	tell("host 1", "begun")
	tell("host 1", "begun")
	want := "host 1 makes a request again that host 2 has not ended: ensure.poll, container app a of alpha"
	if strings.Count(out.String(), want) != 1 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("it tells %q", out.String())
	}
	if log.String() != "host 1 begun\nhost 1 ended\nhost 2 begun\nhost 1 begun\nhost 1 begun\n" {
		t.Errorf("the log is %q", log.String())
	}
	if err := tale.dismiss(); err != nil {
		t.Error(err)
	}
}
