//go:build race

package coro

// useChannels selects the channel twin under the race detector.
const useChannels = true
