package azure_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/verify"
	"github.com/duroxide/duroxide-go/providers/azure"
)

var _ verify.Audited = (*azure.Store)(nil)

func TestAHubThatIsSoundPassesItsAudit(t *testing.T) {
	account, cfg := config(t)
	s := open(t, account, cfg)
	if err := start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	err := s.Audit(t.Context(), func(rule string, instance history.InstanceID, what, next string) {
		if next != "" {
			t.Errorf("%s %s: %s (%s)", rule, instance, what, next)
		}
	})
	if err != nil {
		t.Error(err)
	}
	r, err := verify.Store(t.Context(), s, verify.Options{Complete: true})
	if err != nil || !r.OK() || r.Instances != 1 {
		t.Errorf("the report is %+v, error %v", r, err)
	}
}
