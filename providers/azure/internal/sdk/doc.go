// Package sdk is package storage over HTTP: a real storage account, or Azurite.
//
// The Queue and Blob services go through their clients of the Azure SDK. The
// Table service goes through the SDK's pipeline alone (package azcore), because
// its client returns no ETags from a transaction, does not say which row failed,
// and takes many times as long to decode a page of a thousand rows.
//
//	storage.Account ── call.go ── one try, with a deadline ── SDK ── clock.go ── network
//	                      │                                            (Date of each answer)
//	                      └── errors.go ── one function says what became of it
//
// # Rules
//
//   - K1 A write is sent once: the SDK's retries are off everywhere, redirects are
//     not followed. Reads are tried up to three times, by call.go alone.
//   - K2 Every try has a deadline ([Config.TryTimeout]); a caller shortens it by
//     its context.
//   - K3 A write fails as not applied only if the service said so. A context that
//     ends, a broken connection, 408, 429 and every 5xx are unknown.
//   - K4 Exactly one function, classify, turns failures into errors of package
//     storage. None of the SDK's types leaves this package.
//   - K5 Keys and signatures appear in no error, no log and no formatted value.
//   - K6 Bytes come back as they were given, empty cells and bodies too.
//   - K7 The same call sends the same bytes: properties are sorted, boundaries
//     constant.
//   - K8 A success without the service's request id is somebody else's answer, and
//     corrupt: the SDK takes a page of HTML for an empty list. The clock hears
//     nothing of it.
//
// # How a cell is stored
//
// A cell named N, of letters and digits, is one of:
//
//   - the property N of type Edm.String, if the cell is printable text that is no
//     longer than 16 Ki characters, so that an operator can read it;
//   - the property N of type Edm.Binary, up to 64 KiB;
//   - the property N of type Edm.Int32 that holds the cell's length, and the
//     properties N_0, N_1, … of type Edm.Binary with its parts of 64 KiB.
//
// The type of N alone says which. A merge that shortens a cell leaves parts
// behind, which nobody reads: N was written by the same merge. They still count
// for the service's limit of 1 MiB per row until the row is replaced; the limit
// of [storage.MaxRowBytes] leaves 324 KiB for them and for text, which the
// service keeps as UTF-16.
//
// # How a message is stored
//
// A body that is a printable JSON object or array stands as it is; everything
// else, and a body that would be taken for one, is base64. Text that is neither,
// which only others put there, is returned as it stands.
//
// # When things fail
//
// A credential that may not do something is [storage.ErrDenied], with the role
// to assign. A clock that is wrong by more than 15 minutes is the same, with the
// difference: the service refuses signatures of another time.
package sdk
