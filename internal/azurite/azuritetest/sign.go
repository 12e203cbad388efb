package azuritetest

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Version is the x-ms-version of requests that [Signed] completes.
const Version = "2021-12-02"

// Signed makes a transport that completes and signs requests with the key of
// the emulator, for tests that speak plain HTTP instead of the SDK's clients.
func Signed(next http.RoundTripper, endpoints azurite.Endpoints) http.RoundTripper {
	return signer{next, operation.NewReader(endpoints)}
}

type signer struct {
	next   http.RoundTripper
	reader *operation.Reader
}

func (s signer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	h := request.Header
	if h.Get("x-ms-version") == "" {
		h.Set("x-ms-version", Version)
	}
	h.Set("x-ms-date", time.Now().UTC().Format(http.TimeFormat))
	scheme, text := "SharedKey", toSign(request)
	if s.reader.Read(request).Service == operation.Table {
		if h.Get("Accept") == "" {
			h.Set("Accept", "application/json;odata=minimalmetadata")
		}
		scheme, text = "SharedKeyLite", h.Get("x-ms-date")+"\n/"+azurite.AccountName+request.URL.EscapedPath()
	}
	key, err := base64.StdEncoding.DecodeString(azurite.AccountKey)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(text)) // never fails
	h.Set("Authorization", scheme+" "+azurite.AccountName+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return s.next.RoundTrip(request)
}

// toSign is the text whose signature a request to the Blob or Queue service
// carries, as documented under "Authorize with Shared Key".
func toSign(request *http.Request) string {
	lines := []string{request.Method}
	for _, name := range []string{
		"Content-Encoding", "Content-Language", "", "Content-MD5", "Content-Type", "Date",
		"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
	} {
		value := request.Header.Get(cmp.Or(name, "Content-Length"))
		if name == "" && request.ContentLength > 0 {
			value = strconv.FormatInt(request.ContentLength, 10)
		}
		lines = append(lines, value)
	}
	var headers []string
	for name, values := range request.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-ms-") {
			headers = append(headers, name+":"+strings.Join(values, ","))
		}
	}
	slices.Sort(headers)
	var parameters []string
	for name, values := range request.URL.Query() {
		slices.Sort(values)
		parameters = append(parameters, strings.ToLower(name)+":"+strings.Join(values, ","))
	}
	slices.Sort(parameters)
	lines = append(lines, headers...)
	lines = append(lines, "/"+azurite.AccountName+request.URL.EscapedPath())
	return strings.Join(append(lines, parameters...), "\n")
}
