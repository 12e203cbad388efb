package demo

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
)

// Schema describes the data file, for help texts.
const Schema = `The data file is JSON: {"orders": [ORDER, …]}, at most 100,000 of them. An ORDER has
  id                string, unique: becomes the instance id
  customer          string, optional
  cents             what it costs, above 0
  items             1 to 100 of {"sku": string, "quantity": 1 to 1000 (default 1),
                    "missing": true if the warehouse has none}
  bank_failures     how often the bank fails before it answers, 0 to 5;
                    a payment is tried 4 times
  declined          true if the card is declined
  approval          optional: {"answer": "granted", "refused" or "none",
                    "deadline_seconds": 1 to 60}
  expect            optional: "shipped", "out of stock", "declined",
                    "payment failed", "refused" or "expired"`

// Order is one order of the data file. It is the input of its orchestration.
type Order struct {
	ID           string    `json:"id"`
	Customer     string    `json:"customer,omitempty"`
	Cents        int       `json:"cents"`
	Items        []Item    `json:"items"`
	BankFailures int       `json:"bank_failures,omitempty"`
	Declined     bool      `json:"declined,omitempty"`
	Approval     *Approval `json:"approval,omitempty"`
	Expect       Ending    `json:"expect,omitempty"`
}

// Item is a line of an order.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity,omitempty"`
	Missing  bool   `json:"missing,omitempty"`
}

// Approval says that an order needs one, and what the approver will do.
type Approval struct {
	Answer          Answer `json:"answer"`
	DeadlineSeconds int    `json:"deadline_seconds"`
}

// Answer is what the approver says.
type Answer string

// The answers.
const (
	Granted Answer = "granted"
	Refused Answer = "refused"
	Silence Answer = "none"
)

// Ending is how an order ends.
type Ending string

// The endings.
const (
	Shipped       Ending = "shipped"
	OutOfStock    Ending = "out of stock"
	CardDeclined  Ending = "declined"
	PaymentFailed Ending = "payment failed"
	NotApproved   Ending = "refused"
	Expired       Ending = "expired"
)

var endings = []Ending{Shipped, OutOfStock, CardDeclined, PaymentFailed, NotApproved, Expired}

// Limits of the data file.
const (
	maxOrders       = 100_000
	maxItems        = 100
	maxQuantity     = 1_000
	maxBankFailures = 5
	maxCents        = 1_000_000_000
	maxDeadline     = 60
	maxFileBytes    = 256 << 20
)

//go:embed orders.json
var committed []byte

// Committed are the orders that come with the program.
func Committed() ([]Order, error) {
	return Parse("the built-in orders.json", bytes.NewReader(committed))
}

// Repeat is orders over and over again, under ids of their own.
func Repeat(orders []Order, times int) []Order {
	var all []Order
	for n := range times {
		for _, o := range orders {
			o.ID = fmt.Sprintf("%s.%d", o.ID, n+1)
			all = append(all, o)
		}
	}
	return all
}

// Parse reads a data file. Errors name the file, the line, the order and the
// field.
func Parse(name string, r io.Reader) ([]Order, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than the limit of %d MiB", name, maxFileBytes>>20)
	}
	p := &parser{text: text, decoder: json.NewDecoder(bytes.NewReader(text))}
	orders, err := p.file()
	if err != nil {
		return nil, fmt.Errorf("%s, line %d: %w", name, p.line, err)
	}
	return orders, nil
}

// parser walks the file by tokens, so that it knows where every order begins.
type parser struct {
	text    []byte
	decoder *json.Decoder
	line    int // of what is wrong
}

var errShape = errors.New(`want an object with the field "orders": {"orders": [{"id": "order-1", "cents": 1250, "items": [{"sku": "tea"}]}]}`)

func (p *parser) file() ([]Order, error) {
	if len(bytes.TrimSpace(p.text)) == 0 {
		p.line = 1
		return nil, fmt.Errorf("the file is empty: %w", errShape)
	}
	if err := p.expect(json.Delim('{')); err != nil {
		return nil, err
	}
	if err := p.expect("orders"); err != nil {
		return nil, err
	}
	if err := p.expect(json.Delim('[')); err != nil {
		return nil, err
	}
	var orders []Order
	lines := map[string]int{}
	for p.decoder.More() {
		o, err := p.order(len(orders) + 1)
		if err != nil {
			return nil, err
		}
		if first, taken := lines[o.ID]; taken {
			return nil, fmt.Errorf("order %d: field \"id\": %q is the id of the order in line %d, too: ids are unique", len(orders)+1, o.ID, first)
		}
		lines[o.ID] = p.line
		orders = append(orders, o)
		if len(orders) > maxOrders {
			return nil, fmt.Errorf("more than %d orders: split the file", maxOrders)
		}
	}
	for _, end := range []json.Delim{']', '}'} {
		if err := p.expect(end); err != nil {
			return nil, err
		}
	}
	if _, err := p.token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the end of the object")
	}
	if len(orders) == 0 {
		return nil, errors.New("field \"orders\" is empty: add at least one order")
	}
	return orders, nil
}

func (p *parser) token() (json.Token, error) {
	t, err := p.decoder.Token()
	p.line = p.lineAt(p.decoder.InputOffset())
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		p.line = p.lineAt(syntax.Offset)
	}
	return t, err
}

func (p *parser) expect(want json.Token) error {
	switch got, err := p.token(); {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the file ends too early")
	case err != nil:
		return fmt.Errorf("this is not JSON: %w", err)
	case got != want:
		return fmt.Errorf("found %v: %w", got, errShape)
	}
	return nil
}

// lineAt is the line of a place in the file, from 1.
func (p *parser) lineAt(offset int64) int {
	return 1 + bytes.Count(p.text[:min(int(offset), len(p.text))], []byte("\n"))
}

// order reads order number n.
func (p *parser) order(n int) (o Order, err error) {
	var raw json.RawMessage
	if err := p.decoder.Decode(&raw); err != nil {
		p.line = p.lineAt(p.decoder.InputOffset())
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			p.line = p.lineAt(syntax.Offset)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			p.line = p.lineAt(int64(len(p.text)))
			err = errors.New("the file ends too early")
		}
		return o, fmt.Errorf("order %d: this is not JSON: %w", n, err)
	}
	start := p.decoder.InputOffset() - int64(len(raw))
	p.line = p.lineAt(start)
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&o); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			p.line = p.lineAt(start + wrong.Offset)
			if wrong.Field == "" {
				return o, fmt.Errorf("order %d is a %s, want an object", n, wrong.Value)
			}
			return o, fmt.Errorf("%s: field %q is a %s, want %s", naming(n, o.ID), wrong.Field, wrong.Value, article(wrong.Type.Kind().String()))
		}
		if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
			p.line = p.lineAt(start + max(0, int64(bytes.Index(raw, []byte(field)))))
			return o, fmt.Errorf("%s: field %s is none of an order's (%s)", naming(n, o.ID), field, fields)
		}
		return o, fmt.Errorf("%s: %w", naming(n, o.ID), err)
	}
	if field, err := o.check(); err != nil {
		if at := bytes.Index(raw, []byte(`"`+field+`"`)); at >= 0 {
			p.line = p.lineAt(start + int64(at))
		}
		return o, fmt.Errorf("%s: field %q: %w", naming(n, o.ID), field, err)
	}
	for i := range o.Items {
		o.Items[i].Quantity = max(o.Items[i].Quantity, 1)
	}
	return o, nil
}

const fields = "id, customer, cents, items, bank_failures, declined, approval, expect; of items: sku, quantity, missing; of approval: answer, deadline_seconds"

func article(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "slice":
		return "an array"
	case "struct", "ptr":
		return "an object"
	case "bool":
		return "true or false"
	}
	return "a " + kind
}

func naming(n int, id string) string {
	if id == "" {
		return fmt.Sprintf("order %d", n)
	}
	return fmt.Sprintf("order %d (%q)", n, id)
}

// check reports the field that is wrong, and why.
func (o *Order) check() (field string, err error) {
	if err := history.InstanceID(o.ID).Validate(); err != nil {
		return "id", err
	}
	if o.ID == reconcilerID {
		return "id", fmt.Errorf("%q is the inventory's: choose another", o.ID)
	}
	if o.Cents < 1 || o.Cents > maxCents {
		return "cents", fmt.Errorf("%d: want 1 to %d", o.Cents, maxCents)
	}
	if len(o.Items) < 1 || len(o.Items) > maxItems {
		return "items", fmt.Errorf("%d items: want 1 to %d", len(o.Items), maxItems)
	}
	for i, item := range o.Items {
		switch {
		case item.SKU == "":
			return "sku", fmt.Errorf("of item %d is empty", i+1)
		case len(item.SKU) > history.MaxNameLength:
			return "sku", fmt.Errorf("of item %d has %d bytes, more than %d", i+1, len(item.SKU), history.MaxNameLength)
		case item.Quantity < 0 || item.Quantity > maxQuantity:
			return "quantity", fmt.Errorf("of item %d is %d: want 1 to %d", i+1, item.Quantity, maxQuantity)
		}
	}
	if o.BankFailures < 0 || o.BankFailures > maxBankFailures {
		return "bank_failures", fmt.Errorf("%d: want 0 to %d", o.BankFailures, maxBankFailures)
	}
	if a := o.Approval; a != nil {
		if !slices.Contains([]Answer{Granted, Refused, Silence}, a.Answer) {
			return "answer", fmt.Errorf("%q: want %q, %q or %q", a.Answer, Granted, Refused, Silence)
		}
		if a.DeadlineSeconds < 1 || a.DeadlineSeconds > maxDeadline {
			return "deadline_seconds", fmt.Errorf("%d: want 1 to %d", a.DeadlineSeconds, maxDeadline)
		}
	}
	if o.Expect != "" && !slices.Contains(endings, o.Expect) {
		return "expect", fmt.Errorf("%q: want one of %q", o.Expect, endings)
	}
	return "", nil
}

// about says in a few words what is special about an order.
func (o *Order) about() string {
	var parts []string
	parcels := "1 item"
	if len(o.Items) > 1 {
		parcels = fmt.Sprintf("%d items", len(o.Items))
	}
	parts = append(parts, parcels)
	if o.Approval != nil {
		parts = append(parts, "needs approval")
	}
	if o.BankFailures > 0 {
		parts = append(parts, "flaky bank")
	}
	if o.Declined {
		parts = append(parts, "bad card")
	}
	if slices.ContainsFunc(o.Items, func(i Item) bool { return i.Missing }) {
		parts = append(parts, "stock missing")
	}
	return strings.Join(parts, ", ")
}

// money prints cents.
func money(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
