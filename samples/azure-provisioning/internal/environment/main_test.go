package environment_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(azuritetest.Stopping(m)) }
