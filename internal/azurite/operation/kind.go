package operation

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
)

// Kind names an operation as Microsoft's reference does.
type Kind string

// Unknown is a request that is none of the operations below.
const Unknown Kind = "Unknown"

// The operations of the Table service. Get Entity is a Query Entities that
// names both keys.
const (
	CreateTable            Kind = "Create Table"
	DeleteTable            Kind = "Delete Table"
	QueryTables            Kind = "Query Tables"
	EntityGroupTransaction Kind = "Entity Group Transaction"
	InsertEntity           Kind = "Insert Entity"
	InsertOrReplaceEntity  Kind = "Insert Or Replace Entity"
	InsertOrMergeEntity    Kind = "Insert Or Merge Entity"
	UpdateEntity           Kind = "Update Entity"
	MergeEntity            Kind = "Merge Entity"
	DeleteEntity           Kind = "Delete Entity"
	GetEntity              Kind = "Get Entity"
	QueryEntities          Kind = "Query Entities"
)

// The operations of the Queue service.
const (
	CreateQueue     Kind = "Create Queue"
	DeleteQueue     Kind = "Delete Queue"
	ListQueues      Kind = "List Queues"
	QueueProperties Kind = "Get Queue Metadata"
	PutMessage      Kind = "Put Message"
	GetMessages     Kind = "Get Messages"
	PeekMessages    Kind = "Peek Messages"
	UpdateMessage   Kind = "Update Message"
	DeleteMessage   Kind = "Delete Message"
	ClearMessages   Kind = "Clear Messages"
)

// The operations of the Blob service.
const (
	CreateContainer     Kind = "Create Container"
	DeleteContainer     Kind = "Delete Container"
	ListContainers      Kind = "List Containers"
	ContainerProperties Kind = "Get Container Properties"
	ListBlobs           Kind = "List Blobs"
	PutBlob             Kind = "Put Blob"
	PutBlock            Kind = "Put Block"
	PutBlockList        Kind = "Put Block List"
	AppendBlock         Kind = "Append Block"
	GetBlob             Kind = "Get Blob"
	BlobProperties      Kind = "Get Blob Properties"
	DeleteBlob          Kind = "Delete Blob"
	LeaseBlob           Kind = "Lease Blob"
)

// Write reports whether the operation changes something at the service. Get
// Messages does: it hides what it returns.
func (k Kind) Write() bool {
	switch k {
	case QueryTables, GetEntity, QueryEntities,
		ListQueues, QueueProperties, PeekMessages,
		ListContainers, ContainerProperties, ListBlobs, GetBlob, BlobProperties:
		return false
	default:
		return true
	}
}

func known(k Kind) Kind { return cmp.Or(k, Unknown) }

func queue(request *http.Request, path string, q url.Values) Operation {
	name, rest, inside := strings.Cut(path, "/")
	o := Operation{Service: Queue, Name: name}
	switch {
	case name == "":
		o.Kind = known(map[string]Kind{"GET list": ListQueues}[request.Method+" "+q.Get("comp")])
	case !inside:
		o.Kind = known(map[string]Kind{
			"PUT ": CreateQueue, "DELETE ": DeleteQueue,
			"GET metadata": QueueProperties, "HEAD metadata": QueueProperties,
		}[request.Method+" "+q.Get("comp")])
	case rest == "messages":
		o.Kind = known(map[string]Kind{"POST": PutMessage, "GET": GetMessages, "DELETE": ClearMessages}[request.Method])
		if o.Kind == GetMessages && strings.EqualFold(q.Get("peekonly"), "true") {
			o.Kind = PeekMessages
		}
	default:
		var messages string
		messages, o.Item, _ = strings.Cut(rest, "/")
		o.Kind = known(map[string]Kind{"messages PUT": UpdateMessage, "messages DELETE": DeleteMessage}[messages+" "+request.Method])
	}
	return o
}

func blob(request *http.Request, path string, q url.Values) Operation {
	name, item, inside := strings.Cut(path, "/")
	o := Operation{Service: Blob, Name: name, Item: item}
	asked := request.Method + " " + q.Get("comp")
	switch {
	case name == "":
		o.Kind = known(map[string]Kind{"GET list": ListContainers}[asked])
	case !inside || item == "":
		o.Kind = known(map[string]Kind{
			"PUT ": CreateContainer, "DELETE ": DeleteContainer, "GET list": ListBlobs,
			"GET ": ContainerProperties, "HEAD ": ContainerProperties,
		}[asked])
	default:
		o.Kind = known(map[string]Kind{
			"PUT ": PutBlob, "PUT block": PutBlock, "PUT blocklist": PutBlockList, "PUT appendblock": AppendBlock,
			"GET ": GetBlob, "HEAD ": BlobProperties, "DELETE ": DeleteBlob, "PUT lease": LeaseBlob,
		}[asked])
	}
	return o
}

func table(request *http.Request, path string, _ url.Values) Operation {
	o := Operation{Service: Table}
	name, address, addressed := strings.Cut(path, "(")
	switch {
	case path == "$batch":
		o.Kind = known(map[string]Kind{"POST": EntityGroupTransaction}[request.Method])
	case path == "Tables":
		o.Kind = known(map[string]Kind{"GET": QueryTables, "POST": CreateTable}[request.Method])
	case name == "Tables":
		o.Name = strings.Trim(strings.TrimSuffix(address, ")"), "'")
		o.Kind = known(map[string]Kind{"GET": QueryTables, "DELETE": DeleteTable}[request.Method])
	case !addressed || address == ")":
		o.Name = name
		o.Kind = known(map[string]Kind{"GET": QueryEntities, "POST": InsertEntity}[request.Method])
	default:
		o.Name = name
		row, ok := parseRow("(" + address)
		if !ok {
			o.Kind, o.Item = Unknown, "("+address
			break
		}
		o.Row, o.Kind = row, entity(request.Method, Header(request.Header, "If-Match") != "")
	}
	return o
}

// entity is the operation on an entity that the path names. Without If-Match,
// changing it is also inserting it.
func entity(method string, conditional bool) Kind {
	switch method {
	case http.MethodGet:
		return GetEntity
	case http.MethodDelete:
		return DeleteEntity
	case http.MethodPut:
		if conditional {
			return UpdateEntity
		}
		return InsertOrReplaceEntity
	case http.MethodPatch, "MERGE":
		if conditional {
			return MergeEntity
		}
		return InsertOrMergeEntity
	case http.MethodPost: // a MERGE through proxies that know no such method
		return MergeEntity
	}
	return Unknown
}
