package sdk

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

func TestTheClientsAreMade(t *testing.T) {
	if _, err := aztables.NewServiceClientWithNoCredential("https://name.table.core.windows.net", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := connectByToken("https://name.queue.core.windows.net", "https://name.blob.core.windows.net", nil, policy.ClientOptions{}); err != nil {
		t.Fatal(err)
	}
}
