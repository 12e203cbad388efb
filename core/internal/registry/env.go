package registry

import (
	"log/slog"

	"github.com/duroxide/duroxide-go/core/codec"
)

// Env is what a worker gives to all its handlers, orchestrations and
// activities alike.
type Env struct {
	Hub    string
	Codec  codec.Codec
	Logger *slog.Logger
	// The interceptors, []orchestration.Interceptor and []activity.Interceptor:
	// those packages stand above this one.
	OrchestrationInterceptors any
	ActivityInterceptors      any
}

// DefaultEnv serves handlers that run without a worker, in tests.
var DefaultEnv = &Env{Codec: codec.JSON, Logger: slog.New(slog.DiscardHandler)}
