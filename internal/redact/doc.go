// Package redact removes from a text what could open a storage account: keys,
// shared access signatures and tokens, told by the names before them or by the look
// of a key. Whatever quotes an account, a request, or what the service says goes
// through it before it is shown: errors of package azure, and all that the command
// line says of errors. The rest of the text stays as it is, so that the account can
// still be recognised.
//
// It is the last line, not the first: a secret without a name that does not look
// like a key is not found. So no package quotes what may be one on purpose.
package redact
