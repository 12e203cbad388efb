// Package azurite holds the Azure provider, as users open it, to the contract
// of every provider: over a running Azurite, or over a storage account in Azure.
//
//	suite ─ azure.Open ─ faults ─ strict (refuses what Azure refuses) ─ tally ─ Azurite
//
// Azurite is installed and started by the tests themselves. With a connection
// string or the URL of an account in DUROXIDE_AZURE_STORAGE the same tests run
// there instead, on hubs of their own, which they delete; a URL needs a
// credential that azidentity finds.
//
//	go test ./test/azurite
//	DUROXIDE_AZURE_STORAGE=https://NAME.table.core.windows.net go test ./test/azurite -timeout 2h
//
// Hubs have one partition here, where not said otherwise: then nothing is sent
// between partitions, and what a commit sends is there when it returns, as the
// suite expects. Simulated accounts have the rest, and all the faults that the
// named ones here stand for.
package azurite
