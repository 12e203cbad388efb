package scenarios

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/providers/azure"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

// simulated is a hub of two partitions in a storage account in memory, which has
// Azure's rules and takes no time.
func simulated(t *testing.T) provider.Store {
	account := azuretest.New(azuretest.Config{Partitions: 2})
	t.Cleanup(func() {
		account.Close()
		for _, v := range account.Violations() {
			t.Error(v)
		}
	})
	s, err := account.Open(t.Context(), "process")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// allOnAzurite runs each scenario on Azurite as well, which takes some minutes:
//
//	go test ./test/scenarios -run /azurite -scenarios.azurite
var allOnAzurite = flag.Bool("scenarios.azurite", false, "run all scenarios on Azurite, not only some")

// onAzurite are the scenarios that run there always: some of each kind.
var onAzurite = []string{
	"TestFiveGreetingsInARow",
	"TestTheSameRequestIsTheSameStart",
	"TestOneRequestMayStartSeveralInstances",
	"TestErrorsKeepTheirTypesThroughActivitiesAndChildrenToTheClient",
	"TestASagaUndoesWhatItDidInReverse",
	"TestCancellingAnInstanceCancelsItsChildrenAndTheirs",
	"TestEventsSentWhileItContinuesAsNewAreAllReceivedInOrder",
	"TestInstancesTalkToEachOther",
	"TestRetriesRunSideBySideWithoutTheOrchestration",
	"TestTimersFireInOrderAndNeverEarly",
	"TestAnActivityThatIsInterruptedByShutdownRunsAgain",
}

// notOnAzurite are the scenarios that take too long there, and why.
var notOnAzurite = map[string]string{
	"TestAnEternalLoopKeepsAsManyHistoriesAsItSays": "ten thousand generations are more than a thousand commits, one after the other: run it without /azurite",
	"TestManyGenerationsLeaveBoundedWork":           "ten thousand generations are more than twenty thousand commits, one after the other: run it without /azurite",
}

// emulated is a hub of two partitions on Azurite, by a transport that refuses
// what Azure refuses.
func emulated(t *testing.T) provider.Store {
	server := azuritetest.Shared(t)
	pool := http.DefaultTransport.(*http.Transport).Clone()
	pool.MaxIdleConnsPerHost = 16
	cfg := azure.Config{
		Hub: azuritetest.Name(), Partitions: 2, TTL: 3 * time.Second, Log: slog.New(slog.DiscardHandler),
		Transport: azuritetest.Strict(t, server.Endpoints()).Over(pool),
	}
	t.Cleanup(func() {
		if err := azure.Delete(context.WithoutCancel(t.Context()), server.ConnectionString(), cfg.Hub, cfg); err != nil {
			t.Error(err)
		}
		pool.CloseIdleConnections()
	})
	s, err := azure.Open(t.Context(), server.ConnectionString(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
