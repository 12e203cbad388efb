package sdk

import "regexp"

// secrets finds what could open an account, wherever a text holds it: the
// signature in a URL, keys of a connection string, and signatures and tokens of
// a header. The service quotes signatures in what it says about denied requests.
var secrets = regexp.MustCompile(`(?i)(\bsig=|%26sig%3D|AccountKey\s*=\s*|SharedAccessSignature\s*=\s*|SharedKey(?:Lite)?\s+[a-z0-9]+:|Bearer\s+)[^\s;&'"<>]+|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==`)

// redact removes secrets from a text.
func redact(text string) string { return secrets.ReplaceAllString(text, "${1}(hidden)") }
