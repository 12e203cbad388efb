// Azure-provisioning makes environments in Azure from orchestrations, and shows
// that they are made once, whatever happens meanwhile.
//
//	go run ./samples/azure-provisioning
//
// starts Azurite, an emulator of Azure Resource Manager, two worker processes and a
// client, and kills one of the workers in the middle. README.md tells the rest, and
// how to use it with a subscription of your own.
//
// The parts are: [lro], the pattern for long-running operations, to be imported or
// copied; internal/environment, the orchestrations; internal/resources, the
// activities, with the clients of the Azure SDK; internal/emulator; internal/host,
// the processes; internal/story, what this program shows.
//
// [lro]: https://pkg.go.dev/github.com/duroxide/duroxide-go/samples/azure-provisioning/lro
package main
