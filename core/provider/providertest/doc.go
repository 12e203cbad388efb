// Package providertest proves that a provider keeps the contract of package
// provider.
package providertest
