package environment

import (
	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// reading is what a resource looks like.
type reading = lro.Reading[Made]

// Handlers are the orchestrations, and the activity that asks the store. The
// other activities are those of package resources.
func Handlers(client orchestration.Client) []core.Handler {
	return []core.Handler{
		Provision.Func(provision), TearDown.Func(tearDown), Watch.Func(watch), Budget.Func(budget), Fleet.Func(fleet), Sweep.Func(sweep),
		Lives.Func(lives(client)),
	}
}
