// Package scenarios shows behaviours of the whole engine, as properties, on
// every provider: what users of durable execution rely on, and the samples of
// the field. Each scenario is a test that runs once per provider; on Azure
// Storage that is a simulated account, and for some of them Azurite as well. All
// of them run there with
//
//	go test ./test/scenarios -run /azurite -scenarios.azurite
package scenarios
