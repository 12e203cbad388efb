package redact

import "regexp"

// secrets finds the signature in a URL, escaped once or more and after whatever
// stands for &; keys of a connection string; and signatures and tokens of a header.
// The service quotes signatures in what it says about denied requests.
var secrets = regexp.MustCompile(`(?i)((?:sig(?:=|%(?:25)*3D)|AccountKey\s*=\s*|SharedAccessSignature\s*=\s*|SharedKey(?:Lite)?\s+[a-z0-9]+:|Bearer\s+)["']?)[^\s;&'"<>]+|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==`)

// Secrets is the text with (hidden) in place of each secret.
func Secrets(text string) string { return secrets.ReplaceAllString(text, "${1}(hidden)") }
