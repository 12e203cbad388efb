package sdk

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// location is where an account's services are, and what secret opens them.
// Endpoints have no slash at the end and no query.
type location struct {
	name               string
	table, queue, blob string
	key, signature     string
}

// plain reports whether a service would be reached without encryption.
func (l location) plain() bool {
	return slices.ContainsFunc([]string{l.table, l.queue, l.blob}, func(endpoint string) bool {
		return strings.HasPrefix(endpoint, "http:")
	})
}

const defaultSuffix = "core.windows.net"

// The emulator's account, which Microsoft documents: it protects nothing.
const (
	emulatorName = "devstoreaccount1"
	emulatorKey  = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// emulatorPorts are the usual ones, of blobs, queues and tables.
var emulatorPorts = []string{"10000", "10001", "10002"}

var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

// locate understands every way to name an account. Its errors say what is wrong
// and never quote a value that may be secret.
func locate(account string) (l location, err error) {
	account = strings.Trim(strings.TrimSpace(account), `"'`)
	scheme, _, isURL := strings.Cut(account, "://")
	isURL = isURL && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http"))
	switch {
	case account == "":
		err = errors.New("no account was named: give a connection string, a URL such as https://NAME.blob.core.windows.net, or the account's name")
	case isURL:
		l, err = locateURL(account)
	case strings.Contains(account, "="):
		l, err = locateString(account)
	case accountName.MatchString(account):
		l = named(account, "https", defaultSuffix)
	default:
		err = errors.New("the account is neither a connection string (Key=value;…), nor a URL (https://…), nor a name (3 to 24 lower-case letters and digits)")
	}
	if err == nil && l.signature != "" {
		err = checkSignature(l)
	}
	return l, err
}

// named is an account under the usual names of its services.
func named(name, scheme, suffix string) location {
	at := func(service string) string { return scheme + "://" + name + "." + service + "." + suffix }
	return location{name: name, table: at("table"), queue: at("queue"), blob: at("blob")}
}

// locateURL finds the three services from the URL of one.
func locateURL(account string) (l location, err error) {
	u, err := url.Parse(account)
	if err != nil || u.Host == "" {
		return l, errors.New("the account's URL cannot be parsed: it should look like https://NAME.blob.core.windows.net")
	}
	if u.User != nil {
		return l, errors.New("the account's URL has a user and password: give a signature (?sv=…&sig=…) or a credential instead")
	}
	if u.RawQuery != "" && u.Query().Get("sig") == "" {
		return l, errors.New("the account's URL has a query without sig=, so it is no shared access signature")
	}
	path := strings.Trim(u.Path, "/")
	u.Host = strings.ToLower(u.Host)
	host := u.Hostname()
	local := net.ParseIP(host) != nil || host == "localhost"
	if local || slices.Contains(emulatorPorts, u.Port()) && accountName.MatchString(path) {
		l, err = locateLocal(u, path)
	} else {
		l, err = locateHost(u.Scheme, u.Host, path)
	}
	l.signature = u.RawQuery
	return l, err
}

// locateHost takes NAME.SERVICE.SUFFIX apart. Names with a zone
// (NAME.z01.blob.storage.azure.net) are kept as they are.
func locateHost(scheme, host, path string) (l location, err error) {
	if path != "" {
		return l, errors.New("the account's URL has a path: give the URL of the account, not of a container, queue or table")
	}
	labels := strings.Split(host, ".")
	at := slices.IndexFunc(labels, func(label string) bool {
		return slices.Contains([]string{"blob", "queue", "table", "dfs", "file", "web"}, label)
	})
	if at < 1 || at == len(labels)-1 {
		return l, fmt.Errorf("the host %s is not of the form NAME.blob.%s: for a domain of your own, give a connection string with TableEndpoint, QueueEndpoint and BlobEndpoint", host, defaultSuffix)
	}
	name := labels[0]
	if strings.HasSuffix(name, "-secondary") {
		return l, errors.New("the account's URL names the secondary, which is read-only: leave -secondary out")
	}
	if !accountName.MatchString(name) {
		return l, fmt.Errorf("the host %s does not begin with an account's name (3 to 24 lower-case letters and digits)", host)
	}
	service := func(name string) string {
		other := slices.Clone(labels)
		other[at] = name
		return scheme + "://" + strings.Join(other, ".")
	}
	return location{name: name, table: service("table"), queue: service("queue"), blob: service("blob")}, nil
}

// locateLocal understands an emulator's URL, in which the account is the path.
// The other services are found only where the ports are the usual ones.
func locateLocal(u *url.URL, name string) (l location, err error) {
	if !accountName.MatchString(name) {
		return l, errors.New("the URL of an emulator ends in the account's name, as in http://127.0.0.1:10000/" + emulatorName)
	}
	if !slices.Contains(emulatorPorts, u.Port()) {
		return l, errors.New("the URL of an emulator names one port, and its services have three: give a connection string with TableEndpoint, QueueEndpoint and BlobEndpoint")
	}
	l = emulator(u.Scheme+"://"+strings.TrimSuffix(u.Host, ":"+u.Port()), name)
	return l, nil
}

// emulator is an account of an emulator on the usual ports.
func emulator(host, name string) location {
	at := func(service int) string { return host + ":" + emulatorPorts[service] + "/" + name }
	return location{name: name, blob: at(0), queue: at(1), table: at(2)}
}

// checkAccountKey says what is wrong with a key, without quoting it.
func checkAccountKey(key string) error {
	raw, err := base64.StdEncoding.DecodeString(key)
	switch {
	case err != nil:
		return fmt.Errorf("AccountKey (%d characters) is not base64: copy it anew, all of it", len(key))
	case len(raw) < 16:
		return fmt.Errorf("AccountKey (%d characters) is too short: copy it anew, all of it", len(key))
	}
	return nil
}
