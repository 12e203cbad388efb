// Package sdk is package storage over HTTP: a real storage account, or Azurite.
//
// The Queue and Blob services go through their clients of the Azure SDK. The
// Table service goes through the SDK's pipeline alone, because its client
// neither returns the ETags of a transaction nor says which row failed, and
// decodes pages slowly.
package sdk
