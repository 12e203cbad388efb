package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// staticToken is a credential that always has this token.
type staticToken string

func (s staticToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestNoSecretIsEverShown(t *testing.T) {
	var logged struct {
		sync.Mutex
		strings.Builder
	}
	azlog.SetListener(func(_ azlog.Event, text string) {
		logged.Lock()
		defer logged.Unlock()
		logged.WriteString(text)
	})
	defer azlog.SetListener(nil)

	signature := url.Values{"sig": {"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="}}.Encode()
	secrets := []string{testKey, "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U", signature, "the-token"}
	failing := map[string]func(*http.Request) (*http.Response, error){
		"a transport that quotes the URL": func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: errors.New("refused")}
		},
		"a transport that quotes the header": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("cannot send Authorization: %s", r.Header.Get("Authorization"))
		},
		"a service that quotes the signature": func(r *http.Request) (*http.Response, error) {
			quoted := strings.TrimPrefix(r.Header.Get("Authorization"), "SharedKey name:") + " " + r.URL.RawQuery
			body := "<Error><Code>AuthenticationFailed</Code><Message>no</Message><AuthenticationErrorDetail>The MAC signature '" +
				strings.ReplaceAll(quoted, "&", "&amp;") + "' is not the same</AuthenticationErrorDetail></Error>"
			return reply(r, http.StatusForbidden, body), nil
		},
	}
	accounts := map[string]Config{
		"key":       {Account: testString},
		"signature": {Account: "https://name.blob.core.windows.net/?" + testSignature},
		"token":     {Account: "https://name.blob.core.windows.net", Credential: staticToken("the-token")},
	}
	for kind, cfg := range accounts {
		for what, fail := range failing {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: fail}
				cfg.Transport = s
				a, err := Open(cfg)
				if err != nil {
					t.Fatal(err)
				}
				shown := fmt.Sprintf("%v %+v %#v %s %v %+v %#v", a, a, a, a, cfg, cfg, cfg)
				for _, calls := range []map[string]func(context.Context, *Account) error{reads, writes} {
					for _, do := range calls {
						shown += do(t.Context(), a).Error() + "\n"
					}
				}
				for _, sent := range s.sent() {
					if mac := strings.TrimPrefix(sent.header.Get("Authorization"), "SharedKey name:"); len(mac) > 20 && strings.Contains(shown, mac) {
						t.Errorf("%s, %s: the signature of a request was shown", kind, what)
					}
				}
				for _, secret := range secrets {
					if at := strings.Index(shown, secret); at >= 0 {
						t.Errorf("%s, %s: a secret was shown after %q", kind, what, shown[max(0, at-60):at])
					}
				}
			})
		}
	}
	for _, secret := range secrets {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("the SDK's log holds a secret of %d characters", len(secret))
		}
	}
	if logged.Len() == 0 {
		t.Error("the SDK logged nothing, so this shows nothing about its log")
	}
}

func TestTheAccountCanStillBeRecognised(t *testing.T) {
	cfg := Config{Account: "AccountName=name;AccountKey=" + testKey + ";EndpointSuffix=core.windows.net"}
	if got := cfg.String(); got != "sdk.Config(AccountName=name;AccountKey=(hidden);EndpointSuffix=core.windows.net)" {
		t.Errorf("got %s", got)
	}
}
