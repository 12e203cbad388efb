package azurite

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	smaller("providertest.many", "300") // each takes requests to start, to read and to end
	smaller("providertest.runs", "4")   // each takes some thousand requests
	goleak.VerifyTestMain(azuritetest.Stopping(m))
}

// smaller changes the default of a flag.
func smaller(name, value string) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		if err := flag.Set(name, value); err != nil {
			panic(err) // panic: the flag has gone.
		}
	}
}
