package sdk

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// The parts of a connection string. Those of other services and of secondaries
// are let pass and not used.
var (
	usedParts = []string{
		"DefaultEndpointsProtocol", "AccountName", "AccountKey", "SharedAccessSignature", "EndpointSuffix",
		"TableEndpoint", "QueueEndpoint", "BlobEndpoint", "UseDevelopmentStorage", "DevelopmentStorageProxyUri",
	}
	otherParts = []string{
		"FileEndpoint", "DfsEndpoint", "WebEndpoint", "TableSecondaryEndpoint", "QueueSecondaryEndpoint", "BlobSecondaryEndpoint", "FileSecondaryEndpoint",
	}
)

// split takes a connection string apart, by names as spelled in usedParts.
func split(text string) (map[string]string, error) {
	parts := make(map[string]string)
	for i, part := range strings.Split(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok {
			return nil, fmt.Errorf("part %d of the connection string is not of the form Name=value", i+1)
		}
		known := slices.IndexFunc(slices.Concat(usedParts, otherParts), func(known string) bool { return strings.EqualFold(known, name) })
		if known < 0 {
			return nil, fmt.Errorf("part %d of the connection string has a name that means nothing: known are %s", i+1, strings.Join(usedParts, ", "))
		}
		name = slices.Concat(usedParts, otherParts)[known]
		if _, twice := parts[name]; twice {
			return nil, fmt.Errorf("the connection string names %s twice", name)
		}
		if value = strings.TrimSpace(value); value == "" {
			return nil, fmt.Errorf("%s of the connection string is empty", name)
		}
		parts[name] = value
	}
	return parts, nil
}

// locateString understands a connection string.
func locateString(text string) (l location, err error) {
	parts, err := split(text)
	if err != nil {
		return l, err
	}
	if use, ok := parts["UseDevelopmentStorage"]; ok {
		if !strings.EqualFold(use, "true") {
			return l, errors.New("UseDevelopmentStorage of the connection string can only be true: leave it out otherwise")
		}
		return locateEmulator(parts)
	}
	if _, ok := parts["DevelopmentStorageProxyUri"]; ok {
		return l, errors.New("DevelopmentStorageProxyUri goes with UseDevelopmentStorage=true, which the connection string lacks")
	}
	if l, err = endpoints(parts); err != nil {
		return l, err
	}
	l.key, l.signature = parts["AccountKey"], strings.TrimPrefix(parts["SharedAccessSignature"], "?")
	switch {
	case l.key != "" && l.signature != "":
		return l, errors.New("the connection string has both AccountKey and SharedAccessSignature: give one of them")
	case l.key != "" && parts["AccountName"] == "":
		return l, errors.New("the connection string has AccountKey but no AccountName")
	case l.key != "":
		return l, checkAccountKey(l.key)
	}
	return l, nil
}

// endpoints finds the services: those named, the others by the account's name.
func endpoints(parts map[string]string) (l location, err error) {
	scheme := "https"
	if s, ok := parts["DefaultEndpointsProtocol"]; ok {
		if scheme = strings.ToLower(s); scheme != "https" && scheme != "http" {
			return l, errors.New("DefaultEndpointsProtocol of the connection string must be https or http")
		}
	}
	suffix := strings.Trim(parts["EndpointSuffix"], "./")
	if suffix == "" {
		suffix = defaultSuffix
	}
	if strings.ContainsAny(suffix, "/@?#") {
		return l, errors.New("EndpointSuffix of the connection string is a domain such as " + defaultSuffix + ", without https:// and without a path")
	}
	name := parts["AccountName"]
	if name != "" {
		if !accountName.MatchString(name) {
			return l, errors.New("AccountName of the connection string must be 3 to 24 lower-case letters and digits")
		}
		l = named(name, scheme, suffix)
	}
	for part, to := range map[string]*string{"TableEndpoint": &l.table, "QueueEndpoint": &l.queue, "BlobEndpoint": &l.blob} {
		endpoint, ok := parts[part]
		if !ok {
			continue
		}
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
			return l, fmt.Errorf("%s of the connection string must be a URL such as https://NAME.blob.%s, without a query", part, defaultSuffix)
		}
		*to = strings.TrimRight(u.String(), "/") // the scheme in lower case
	}
	var missing []string
	for _, service := range []struct{ part, at string }{{"TableEndpoint", l.table}, {"QueueEndpoint", l.queue}, {"BlobEndpoint", l.blob}} {
		if service.at == "" {
			missing = append(missing, service.part)
		}
	}
	if len(missing) > 0 {
		return l, fmt.Errorf("the connection string has neither AccountName nor %s: a hub needs tables, queues and blobs", strings.Join(missing, ", "))
	}
	if name == "" {
		l.name = nameOf(l.blob)
	}
	return l, nil
}

// nameOf is the account's name in an endpoint, for messages.
func nameOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	if name := strings.Trim(u.Path, "/"); name != "" {
		return name
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	return name
}

// locateEmulator resolves UseDevelopmentStorage=true, which the SDK's clients do
// not understand.
func locateEmulator(parts map[string]string) (l location, err error) {
	for name := range parts {
		if name != "UseDevelopmentStorage" && name != "DevelopmentStorageProxyUri" && name != "DefaultEndpointsProtocol" {
			return l, fmt.Errorf("%s does not go with UseDevelopmentStorage=true, which names a whole account", name)
		}
	}
	scheme, host := "http", "http://127.0.0.1"
	if proxy, ok := parts["DevelopmentStorageProxyUri"]; ok {
		u, err := url.Parse(proxy)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.Port() != "" || strings.Trim(u.Path, "/") != "" {
			return l, errors.New("DevelopmentStorageProxyUri of the connection string must be a URL without port and path, such as http://127.0.0.1")
		}
		scheme, host = u.Scheme, u.Scheme+"://"+u.Host
	}
	if protocol, ok := parts["DefaultEndpointsProtocol"]; ok && !strings.EqualFold(protocol, scheme) {
		return l, fmt.Errorf("UseDevelopmentStorage=true is an emulator at %s here, and DefaultEndpointsProtocol says otherwise: leave that out, or name TableEndpoint, QueueEndpoint and BlobEndpoint", host)
	}
	l = emulator(host, emulatorName)
	l.key = emulatorKey
	return l, nil
}
