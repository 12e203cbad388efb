// Package scenarios shows behaviours of the whole engine, as properties, on
// every provider: what users of durable execution rely on, and the samples of
// the field. Each scenario is a test that runs once per provider.
package scenarios
