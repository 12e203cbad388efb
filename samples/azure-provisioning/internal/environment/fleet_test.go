package environment

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

func TestALargeFleetOfFailuresIsReportedToItsEnd(t *testing.T) {
	const lanes = 20
	e := orchestrationtest.New(t, orchestrationtest.Config{NoForcedReplay: true})
	e.Register(Fleet.Func(fleet), Provision.Func(func(*orchestration.Context, Spec) (Outputs, error) {
		return Outputs{}, &lro.Error{What: "begin", Code: "QuotaExceeded", Status: 403, Message: strings.Repeat("\x01", 1000)}
	}))
	spec := FleetSpec{Concurrent: lanes}
	for i := range maxFleet {
		name := fmt.Sprintf("environment-%05d", i)
		spec.Names = append(spec.Names, name+strings.Repeat("\x01", maxFleetNames/maxFleet-len(name)))
	}
	report, err := orchestrationtest.Run(e, Fleet, spec, orchestration.StartOptions{ID: "fleet"})
	if err != nil || report.Begun != maxFleet || report.Failed != maxFleet || len(report.Failures) != maxFleet || report.Made != 0 {
		t.Errorf("begun %d, failed %d, told %d, made %d: %v", report.Begun, report.Failed, len(report.Failures), report.Made, err)
	}
	var shown FleetReport
	if err := e.Instance("fleet").CustomStatus(&shown); err != nil || shown.Failed != maxFleet || len(shown.Failures) != shownFailures {
		t.Errorf("the status is %+v: %v", shown, err)
	}
	if text, err := json.Marshal(shown); err != nil || len(text) > history.MaxStatusBytes/8 {
		t.Errorf("the status has %d bytes: %v", len(text), err)
	}
}

func TestAFleetThatIsTooLargeOrHasNoNamesIsRefused(t *testing.T) {
	for what, names := range map[string][]string{
		"too many": strings.Split(strings.Repeat("x,", maxFleet), ","),
		"too long": {strings.Repeat("x", maxFleetNames+1)},
		"no name":  {"a", ""},
	} {
		e := orchestrationtest.New(t)
		e.Register(Fleet.Func(fleet), Provision.Func(provision))
		if report, err := orchestrationtest.Run(e, Fleet, FleetSpec{Names: names}); err == nil || report.Begun != 0 {
			t.Errorf("%s: %+v, %v", what, report, err)
		}
	}
}
