package strict

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Limits of the Blob service, documented under "Naming and referencing
// containers, blobs, and metadata" and Lease Blob.
const (
	maxBlobName          = 1024
	minLeaseS, maxLeaseS = 15, 60
	infinite             = -1
)

var metadataName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkBlob(o operation.Operation, request *http.Request) *refusal {
	if o.Name != "" && !strings.HasPrefix(o.Name, "$") {
		if r := checkName(o.Name, queueName); r != nil {
			return r
		}
	}
	if n := len(utf16.Encode([]rune(o.Item))); n > maxBlobName {
		return &refusal{"name", http.StatusBadRequest, "OutOfRangeInput", "The specified resource name length is not within the permissible limits: " + strconv.Itoa(n)}
	}
	for name := range request.Header {
		if key, ok := strings.CutPrefix(strings.ToLower(name), "x-ms-meta-"); ok && !metadataName.MatchString(key) {
			return &refusal{"name", http.StatusBadRequest, "InvalidMetadata", "The metadata specified is invalid. It has characters that are not permitted: " + key}
		}
	}
	switch o.Kind {
	case operation.PutBlob:
		if operation.Header(request.Header, "x-ms-blob-type") == "" && operation.Header(request.Header, "x-ms-copy-source") == "" {
			return &refusal{"parameter", http.StatusBadRequest, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified: x-ms-blob-type"}
		}
	case operation.LeaseBlob:
		return checkLease(operation.Header(request.Header, "x-ms-lease-duration"))
	default:
	}
	return nil
}

func checkLease(duration string) *refusal {
	if duration == "" {
		return nil // of a renewal, or for the service to miss
	}
	if n, err := strconv.Atoi(duration); err != nil || n != infinite && (n < minLeaseS || n > maxLeaseS) {
		return &refusal{"parameter", http.StatusBadRequest, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format: x-ms-lease-duration: " + duration}
	}
	return nil
}
