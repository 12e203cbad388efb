package azurite

import "strings"

// The one account of every emulator, which Microsoft documents: it protects
// nothing.
const (
	AccountName = "devstoreaccount1"
	AccountKey  = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Endpoints are the addresses of the three services, each with the account as
// its path, such as http://127.0.0.1:10000/devstoreaccount1.
type Endpoints struct {
	Blob, Queue, Table string
}

// ConnectionString names the account, its key, and all endpoints. Clients of the
// SDK for Go do not know the short form UseDevelopmentStorage=true.
func (e Endpoints) ConnectionString() string {
	protocol, _, _ := strings.Cut(e.Table, ":")
	return strings.Join([]string{
		"DefaultEndpointsProtocol=" + protocol,
		"AccountName=" + AccountName,
		"AccountKey=" + AccountKey,
		"BlobEndpoint=" + e.Blob,
		"QueueEndpoint=" + e.Queue,
		"TableEndpoint=" + e.Table,
	}, ";")
}

// EndpointsIn finds the addresses that a connection string names.
func EndpointsIn(connection string) (e Endpoints) {
	for part := range strings.SplitSeq(connection, ";") {
		switch name, value, _ := strings.Cut(part, "="); strings.ToLower(strings.TrimSpace(name)) {
		case "blobendpoint":
			e.Blob = value
		case "queueendpoint":
			e.Queue = value
		case "tableendpoint":
			e.Table = value
		}
	}
	return e
}

func (e Endpoints) complete() bool { return e.Blob != "" && e.Queue != "" && e.Table != "" }
