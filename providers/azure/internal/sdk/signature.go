package sdk

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// checkSignature says what a shared access signature lacks, as far as it can be
// seen. What it lacks otherwise the service says, and whether it has expired:
// this machine's clock may be wrong.
func checkSignature(l location) error {
	q, err := url.ParseQuery(l.signature)
	if err != nil || q.Get("sig") == "" {
		return errors.New("the shared access signature has no sig= or cannot be parsed: copy it anew, all of it")
	}
	if q.Has("sr") || q.Has("tn") {
		return errors.New("the shared access signature is for one container, blob, queue or table: a hub needs one for the account")
	}
	for _, part := range []struct{ name, what, need, hint string }{
		{"ss", "services", "bqt", "blobs, queues and tables"},
		{"srt", "resource types", "sco", "service, container and object"},
	} {
		if has := q.Get(part.name); !containsAll(has, part.need) {
			return fmt.Errorf("the shared access signature is for %s %q: a hub needs %q (%s)", part.what, has, part.need, part.hint)
		}
	}
	if l.plain() {
		return errors.New("a shared access signature is sent over https only, and an endpoint of the account says http: whoever reads it on its way could use it")
	}
	return nil
}

func containsAll(s, letters string) bool {
	for _, r := range letters {
		if !strings.ContainsRune(s, r) {
			return false
		}
	}
	return true
}
