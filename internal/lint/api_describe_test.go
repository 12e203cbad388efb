package lint

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

const shop = `package shop

import "io"

type Kind uint8

const (
	Small Kind = iota + 1
	large
)

const Name = "shop"

var ErrClosed error

type Order[T any] struct {
	ID     string
	Next   *Order[T]
	hidden int
}

func (o *Order[T]) Pay(cents int) error { return nil }
func (o Order[T]) secret()              {}

type base struct{}

func (base) Close() error { return nil }

type Store struct {
	base
	io.Writer
}

type Option interface{ apply() }

type Number interface{ ~int | ~float64 }

type Writer = io.Writer

func Open(w io.Writer, options ...Option) (*Store, error) { return nil, nil }
func close()                                              {}
`

const shopAPI = `var ErrClosed error
type Kind uint8
const Name untyped string = "shop"
type Number interface
union Number interface{~int | ~float64}
func Open(w io.Writer, options ...Option) (*Store, error)
type Option interface (sealed: has unexported methods)
type Order[T any] struct
field Order.ID string
field Order.Next *Order[T]
method (*Order) Pay(cents int) error
const Small Kind = 1
type Store struct
field Store.Writer io.Writer
method (Store) Close() error
method (Store) Write(p []byte) (n int, err error)
type Writer = io.Writer
`

func TestDescribeListsWhatUsersCanReach(t *testing.T) {
	if got := describe(compileString(t, shop)); got != shopAPI {
		t.Errorf("got\n%s\nwant\n%s\ndiff\n%s", got, shopAPI, compare(shopAPI, got))
	}
}

func TestEveryKindOfChangeShows(t *testing.T) {
	for _, change := range []struct{ name, old, new string }{
		{"a constant's value", "iota + 1", "iota + 2"},
		{"a field's type", "ID     string", "ID     int"},
		{"a parameter", "Pay(cents int)", "Pay(cents int64)"},
		{"a promoted method", "func (base) Close()", "func (base) Shut()"},
		{"a sealed interface", "interface{ apply() }", "interface{}"},
		{"a type parameter", "Order[T any] struct", "Order[T comparable] struct"},
		{"a receiver", "func (base) Close()", "func (*base) Close()"},
	} {
		edited := strings.ReplaceAll(shop, change.old, change.new)
		if edited == shop {
			t.Errorf("%s: the edit changed nothing", change.name)
		} else if compare(shopAPI, describe(compileString(t, edited))) == "" {
			t.Errorf("%s changed and the record did not show it", change.name)
		}
	}
}

func TestWhatIsPublic(t *testing.T) {
	for path, want := range map[string]bool{
		module:                              true,
		module + "/core/history":            true,
		module + "/core/internal/replay":    false,
		module + "/internal/invariant":      false,
		module + "/samples/hello":           false,
		module + "/cmd/duroxide":            false,
		module + "/test/sim":                false,
		module + "/core/testing/everywhere": true,
	} {
		if got := isPublic(path); got != want {
			t.Errorf("public(%s) = %v, want %v", path, got, want)
		}
	}
}

func compileString(t *testing.T, source string) *types.Package {
	t.Helper()
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, "shop.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check("shop", fset, []*ast.File{syntax}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}
