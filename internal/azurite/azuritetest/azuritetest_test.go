package azuritetest_test

import (
	"net/http"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(azuritetest.Stopping(m)) }

func TestAllTestsShareOneServer(t *testing.T) {
	one, other := azuritetest.Shared(t), azuritetest.Shared(t)
	if one != other {
		t.Error("there are two")
	}
	request, err := http.NewRequest(http.MethodGet, one.Endpoints().Table, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestNamesSuitHubsAndAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		name := azuritetest.Name()
		if seen[name] || !regexp.MustCompile(`^[a-z][a-z0-9]{2,20}$`).MatchString(name) {
			t.Fatalf("%q is no name of a hub, or was given before", name)
		}
		seen[name] = true
	}
}
