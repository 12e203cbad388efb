package redact

import (
	"strings"
	"testing"
)

func TestNoSecretIsLeft(t *testing.T) {
	const secret = "bm90LXNvLXNlY3JldA"
	for _, text := range []string{
		"AccountName=name;AccountKey=" + secret, "accountkey = " + secret, `AccountKey="` + secret + `"`,
		"SharedAccessSignature=sv=1&sig=" + secret, "https://name.blob.core.windows.net/?sv=1&sig=" + secret,
		`{"url":"https://name.blob.core.windows.net/?sv=1\u0026sig=` + secret + `"}`, "?sv=1&amp;sig=" + secret,
		"sv%3D1%26sig%3D" + secret, "sv=1%26sig=" + secret, "?sig%3D" + secret, "%3Fsv%253D1%2526sig%253D" + secret, "%3fsig%3d" + secret,
		"SharedKey name:" + secret, "Bearer " + secret,
		strings.Repeat("a", 43-len(secret)) + secret + "=", strings.Repeat("a", 86-len(secret)) + secret + "==",
	} {
		if got := Secrets(text); strings.Contains(got, secret) {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestTheRestIsLeft(t *testing.T) {
	for text, want := range map[string]string{
		`Get "https://name.blob.core.windows.net/?sig=x&se=2099": refused`: `Get "https://name.blob.core.windows.net/?sig=(hidden)&se=2099": refused`,
		"AccountName=name;AccountKey=x;EndpointSuffix=core.windows.net":    "AccountName=name;AccountKey=(hidden);EndpointSuffix=core.windows.net",
		"the key, signature or token is wrong: sig, AccountKey":            "the key, signature or token is wrong: sig, AccountKey",
		"sqlite:design.db": "sqlite:design.db",
	} {
		if got := Secrets(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
