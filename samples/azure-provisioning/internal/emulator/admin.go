package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// adminPath is where other processes reach what the emulator adds to Azure.
const adminPath = "/emulator/"

// change is the body of a request to change a resource; no properties remove it.
type change struct {
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
}

func (s *Server) serveAdmin(w http.ResponseWriter, r *http.Request) {
	a := answer{status: http.StatusOK}
	var err error
	decode := func(v any) bool {
		if err = json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(v); err != nil {
			a = failure(http.StatusBadRequest, "InvalidRequestContent", "%v", err)
		}
		return err == nil
	}
	switch r.Method + " " + r.URL.Path {
	case "GET " + adminPath + "ledger":
		a.body = s.Ledger()
	case "GET " + adminPath + "resources":
		a.body = s.Resources()
	case "POST " + adminPath + "faults":
		var f Fault
		if decode(&f) {
			s.Inject(f)
		}
	case "POST " + adminPath + "changes":
		var c change
		if decode(&c) && !s.Change(c.ID, c.Properties) {
			a = failure(http.StatusNotFound, "ResourceNotFound", "there is no %s", c.ID)
		}
	default:
		a = failure(http.StatusNotFound, "NotFound", "the emulator has GET ledger, GET resources, POST faults and POST changes under %s", adminPath)
	}
	a.write(w)
}

// Admin reaches an emulator in another process.
type Admin struct{ URL string } // such as http://127.0.0.1:8080

// Ledger reads the ledger.
func (a Admin) Ledger(ctx context.Context) (l Ledger, err error) {
	err = a.do(ctx, http.MethodGet, "ledger", nil, &l)
	return l, err
}

// Resources lists what exists.
func (a Admin) Resources(ctx context.Context) (list []Resource, err error) {
	err = a.do(ctx, http.MethodGet, "resources", nil, &list)
	return list, err
}

// Inject adds a fault.
func (a Admin) Inject(ctx context.Context, f Fault) error {
	return a.do(ctx, http.MethodPost, "faults", f, nil)
}

// Change changes a resource behind everybody's back: see [Server.Change].
func (a Admin) Change(ctx context.Context, id string, properties map[string]any) error {
	return a.do(ctx, http.MethodPost, "changes", change{id, properties}, nil)
}

func (a Admin) do(ctx context.Context, method, path string, in, out any) (err error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.URL+adminPath+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking the emulator: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what there is of it
		return fmt.Errorf("the emulator answers %s to %s %s: %s", resp.Status, method, path, text)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
