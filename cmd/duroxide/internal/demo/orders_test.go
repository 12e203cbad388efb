package demo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func committedOrders(t *testing.T) []Order {
	t.Helper()
	orders, err := Committed()
	if err != nil {
		t.Fatal(err)
	}
	return orders
}

func TestTheBuiltInOrdersShowEveryEnding(t *testing.T) {
	orders := committedOrders(t)
	if len(orders) < 20 {
		t.Errorf("%d orders, want a story", len(orders))
	}
	for _, e := range endings {
		if !slices.ContainsFunc(orders, func(o Order) bool { return o.Expect == e }) {
			t.Errorf("no order is expected to end as %q", e)
		}
		if !strings.Contains(Schema, `"`+string(e)+`"`) {
			t.Errorf("the schema does not name the ending %q", e)
		}
	}
}

func TestEveryFieldIsInTheSchema(t *testing.T) {
	for _, field := range strings.FieldsFunc(fields, func(r rune) bool { return strings.ContainsRune(" ,;", r) }) {
		if field != "of" && !strings.HasSuffix(field, ":") && !strings.Contains(Schema, field) {
			t.Errorf("the schema does not name %q", field)
		}
	}
}

func TestBadDataFilesAreRefusedByLineOrderAndField(t *testing.T) {
	good := `"cents": 5, "items": [{"sku": "tea"}]`
	for _, c := range []struct{ text, want string }{
		{"", "line 1: the file is empty"},
		{" \n ", "line 1: the file is empty"},
		{`{}`, `"orders"`},
		{`{"orders": []}`, `"orders" is empty`},
		{`{"orders": 5}`, "found 5"},
		{`{"order": []}`, "found order"},
		{`{"orders": [5]}`, "order 1 is a number"},
		{"{\"orders\": [\n{\"id\": \"a\", " + good + "},\n\n{\"id\": \"b\"}]}", `line 4: order 2 ("b"): field "cents"`},
		{"{\"orders\": [{\"id\": \"a\",\n" + good + ",\n\"expect\": \"eaten\"}]}", `line 3: order 1 ("a"): field "expect"`},
		{`{"orders": [{"cents": 5}]}`, `order 1: field "id"`},
		{`{"orders": [{"id": "a::b", ` + good + `}]}`, "reserved"},
		{`{"orders": [{"id": "inventory", ` + good + `}]}`, "choose another"},
		{`{"orders": [{"id": "a", "cents": 1.5}]}`, `field "cents"`},
		{`{"orders": [{"id": "a", "cents": 5, "items": []}]}`, "0 items"},
		{`{"orders": [{"id": "a", "cents": 5, "items": [{}]}]}`, "item 1 is empty"},
		{`{"orders": [{"id": "a", "cents": 5, "items": [{"sku": "x", "quantity": 1001}]}]}`, "1001"},
		{`{"orders": [{"id": "a", "bank_failures": 6, ` + good + `}]}`, `"bank_failures"`},
		{`{"orders": [{"id": "a", "approval": {"answer": "maybe", "deadline_seconds": 1}, ` + good + `}]}`, `"answer"`},
		{`{"orders": [{"id": "a", "approval": {"answer": "none"}, ` + good + `}]}`, `"deadline_seconds"`},
		{`{"orders": [{"id": "a", ` + good + `}]} {}`, "after the end"},
		{"{\"orders\": [\n{\"id\": tru}]}", "line 2: order 1: this is not JSON"},
		{"{\"orders\": [\n{\"id\": \"a\", " + good + "},\n", "line 3"},
	} {
		_, err := Parse("file.json", strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "file.json, line ") {
			t.Errorf("%s\ngot  %v\nwant an error with %s", c.text, err, c.want)
		}
	}
}

func TestManyOrdersAreRead(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"orders": [`)
	for i := range 10_000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n"+`{"id": "o%d", "cents": 5, "items": [{"sku": "tea"}]}`, i)
	}
	b.WriteString("]}")
	orders, err := Parse("many", strings.NewReader(b.String()))
	if err != nil || len(orders) != 10_000 || orders[9_999].Items[0].Quantity != 1 {
		t.Errorf("read %d orders: %v", len(orders), err)
	}
}
