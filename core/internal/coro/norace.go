//go:build !race

package coro

// useChannels is off in ordinary builds.
const useChannels = false
