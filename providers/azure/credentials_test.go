package azure_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/providers/azure"
)

// token is a credential that always has the same one.
type token string

func (c token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(c), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// signature is a shared access signature for all services of the emulator.
func signature(t *testing.T, permissions string) string {
	t.Helper()
	const services, types, version = "bqt", "sco", "2021-12-02"
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	key, err := base64.StdEncoding.DecodeString(azurite.AccountKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n\n%s\n\nhttps\n%s\n\n", azurite.AccountName, permissions, services, types, until, version)
	return url.Values{
		"sv": {version}, "ss": {services}, "srt": {types}, "sp": {permissions}, "se": {until}, "spr": {"https"},
		"sig": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}.Encode()
}

// lines is a log that several goroutines write and the test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestTokensSignaturesAndKeysOpenAHub(t *testing.T) {
	server := azuritetest.Start(t, azurite.Config{HTTPS: true})
	at := server.Endpoints()
	endpoints := "BlobEndpoint=" + at.Blob + ";QueueEndpoint=" + at.Queue + ";TableEndpoint=" + at.Table
	now := time.Now()
	bearer, sas := azurite.FakeToken(now.Add(-time.Minute), now.Add(time.Hour)), signature(t, "rwdlacup")
	for name, with := range map[string]struct {
		account string
		token   azcore.TokenCredential
		secret  string
	}{
		"a token":     {endpoints, token(bearer), bearer},
		"a signature": {endpoints + ";SharedAccessSignature=" + sas, nil, sas[strings.Index(sas, "sig=")+4:]},
		"a key":       {server.ConnectionString(), nil, azurite.AccountKey},
	} {
		t.Run(name, func(t *testing.T) {
			pool, log := connections(t), &lines{}
			pool.TLSClientConfig = server.TLS()
			breaking := &broken{next: azuritetest.Strict(t, at).Over(pool)}
			cfg := azure.Config{
				Hub: azuritetest.Name(), Partitions: 1, TTL: 3 * time.Second, Credential: with.token, Transport: breaking,
				Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			}
			s := open(t, with.account, cfg)
			host, err := s.Join(t.Context(), provider.HostInfo{Name: "host"})
			if err != nil {
				t.Fatal(err)
			}
			if err := start(t.Context(), s); err != nil {
				t.Error(err)
			}
			turn, err := host.NextTurn(t.Context())
			if err != nil || turn.Instance.ID != "order-1" {
				t.Errorf("the turn is %v, %v", turn, err)
			}
			shown := []string{fmt.Sprintf("%v %+v %#v", s, s, s)}
			breaking.set(true)
			for _, err := range []error{start(t.Context(), s), func() error { _, err := s.Instance(t.Context(), "order-1"); return err }()} {
				if err == nil {
					t.Error("a request succeeded that was broken")
				} else {
					shown = append(shown, err.Error(), fmt.Sprintf("%#v", err))
				}
			}
			breaking.set(false)
			if err := host.Leave(t.Context()); err != nil {
				t.Error(err)
			}
			if err := azure.Delete(t.Context(), with.account, cfg.Hub, cfg); err != nil {
				t.Error(err)
			}
			for _, text := range append(shown, log.String()) {
				if strings.Contains(text, with.secret) || strings.Contains(text, url.QueryEscape(with.secret)) {
					t.Errorf("the secret is in %q", text)
				}
			}
		})
	}
}

// broken fails every request while it is set, with an error that quotes all of it.
type broken struct {
	next http.RoundTripper
	mu   sync.Mutex
	on   bool
}

func (b *broken) set(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.on = on
}

func (b *broken) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	on := b.on
	b.mu.Unlock()
	if !on {
		return b.next.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, fmt.Errorf("cannot send to %s with Authorization: %s", r.URL, r.Header.Get("Authorization"))
}

// denied answers every request so.
type denied struct {
	code string
	date time.Time
}

func (d denied) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"odata.error":{"code":"` + d.code + `","message":{"lang":"en-US","value":"no"}}}`
	return &http.Response{
		Status: "403 Forbidden", StatusCode: http.StatusForbidden, Request: r,
		Header: http.Header{"Date": {d.date.UTC().Format(http.TimeFormat)}, "X-Ms-Error-Code": {d.code}, "Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

func TestWhoIsDeniedLearnsWhy(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		answer denied
		want   string
	}{
		{denied{"AuthorizationPermissionMismatch", now}, `assign the role "Storage Table Data Contributor"`},
		{denied{"AuthenticationFailed", now.Add(time.Hour)}, "set the clock"},
		{denied{"AuthenticationFailed", now}, "get it anew"},
		{denied{"KeyBasedAuthenticationNotPermitted", now}, "the account accepts no keys"},
	} {
		_, err := azure.Open(t.Context(), "UseDevelopmentStorage=true", azure.Config{Transport: test.answer})
		if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: %v, want it to say %q", test.answer.code, err, test.want)
		}
	}
}

func TestASignatureThatAllowsTooLittleIsToldFromABrokenOne(t *testing.T) {
	server := azuritetest.Start(t, azurite.Config{HTTPS: true})
	at := server.Endpoints()
	pool := connections(t)
	pool.TLSClientConfig = server.TLS()
	account := "BlobEndpoint=" + at.Blob + ";QueueEndpoint=" + at.Queue + ";TableEndpoint=" + at.Table + ";SharedAccessSignature=" + signature(t, "rl")
	_, err := azure.Open(t.Context(), account, azure.Config{Transport: pool})
	if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "shared access signature") {
		t.Errorf("opening with a signature for reading: %v", err)
	}
}
