package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
)

// EmulatorVerb is the argument that makes the program the emulator of Azure
// Resource Manager.
const EmulatorVerb = "_emulator"

// Emulator says how the emulator process behaves.
type Emulator struct {
	Pace, Latency   time.Duration
	WritesPerSecond float64
	Burst           int
}

func (e Emulator) command() []string {
	return []string{EmulatorVerb, "--pace", e.Pace.String(), "--latency", e.Latency.String(), "--writes", fmt.Sprint(e.WritesPerSecond), "--burst", fmt.Sprint(e.Burst)}
}

// RunEmulator is the emulator process. It serves until its standard input or ctx
// ends.
func RunEmulator(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	var e Emulator
	flags := flag.NewFlagSet(EmulatorVerb, flag.ContinueOnError)
	flags.DurationVar(&e.Pace, "pace", time.Second, "what operations are measured in")
	flags.DurationVar(&e.Latency, "latency", 0, "how long an answer is on its way")
	flags.Float64Var(&e.WritesPerSecond, "writes", 0, "that a subscription may make in a second; 0 for no limit")
	flags.IntVar(&e.Burst, "burst", 1, "how many writes at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := untilClosed(ctx, stdin)
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           emulator.New(emulator.Config{Pace: e.Pace, Latency: e.Latency, WritesPerSecond: e.WritesPerSecond, Burst: e.Burst}),
		ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	slog.New(slog.NewJSONHandler(stdout, nil)).Info(noteReady, "url", "http://"+listener.Addr().String())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
	case <-ctx.Done():
		_ = server.Close() // what is on its way is nobody's any more
		err = <-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
