package overhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

var verbs = map[operation.Kind]storage.Verb{
	operation.InsertEntity:          storage.Insert,
	operation.InsertOrReplaceEntity: storage.Put,
	operation.UpdateEntity:          storage.Replace,
	operation.MergeEntity:           storage.Merge,
	operation.DeleteEntity:          storage.Delete,
}

// batch does an entity group transaction. The answer is 202 whether it was applied or
// rejected: that stands in its parts.
func (x *exchange) batch(ctx context.Context) (answer, error) {
	changes, err := x.reader.Changes(x.request, x.body)
	if err != nil {
		return x.strange(err.Error())
	}
	var table, partition string
	ops := make([]storage.Op, len(changes))
	for i := range changes {
		at, err := opOf(&changes[i], &ops[i])
		if err != nil {
			return x.strange(fmt.Sprintf("operation %d: %v", i, err))
		}
		if i == 0 {
			table, partition = changes[0].Name, at
		}
		if changes[i].Name != table || at != partition {
			return x.parts([][]byte{refusedPart(&refused{http.StatusBadRequest, "CommandsInBatchActOnDifferentPartitions", fmt.Sprintf("%d:All commands in a batch must operate on same entity group.", i)})}), nil
		}
	}
	etags, err := x.client.Transact(ctx, table, partition, ops)
	var parts [][]byte
	for i := range etags {
		parts = append(parts, appliedPart(etags[i]))
	}
	if err != nil {
		if !rejected(err) {
			return answer{}, err
		}
		r, ok := said(err)
		if !ok {
			return x.strange(err.Error())
		}
		index := 0
		if rejection := storage.Rejected(err); rejection != nil {
			index = rejection.Index
		}
		if index >= 0 {
			r.message = fmt.Sprintf("%d:%s", index, r.message)
		}
		parts = [][]byte{refusedPart(r)}
	}
	return x.parts(parts), nil
}

// rejected reports whether the service answered with 202, and says in a part what was
// wrong: who may not write at all, or comes when it is busy, is told by the status.
func rejected(err error) bool {
	return storage.Rejected(err) != nil || errors.Is(err, storage.ErrGone)
}

// opOf reads an operation and tells its partition key.
func opOf(c *operation.Change, op *storage.Op) (partition string, err error) {
	verb, ok := verbs[c.Kind]
	if !ok {
		return "", fmt.Errorf("%s in a transaction", c.Kind)
	}
	op.Verb, op.Row.Key, partition = verb, c.Row.Key, c.Row.Partition
	if op.IfMatch = operation.Header(c.Header, "If-Match"); op.IfMatch == "*" {
		op.IfMatch = ""
	}
	if verb == storage.Delete {
		return partition, nil
	}
	entity, err := parseEntity(c.Body)
	if err != nil {
		return "", err
	}
	if verb == storage.Insert {
		if err := errors.Join(json.Unmarshal(entity["PartitionKey"], &partition), json.Unmarshal(entity["RowKey"], &op.Row.Key)); err != nil {
			return "", fmt.Errorf("the keys of an entity to insert: %w", err)
		}
	}
	op.Row.Cells, err = entity.cells()
	return partition, err
}

// parts is the answer to a transaction.
func (x *exchange) parts(all [][]byte) answer {
	batch, set := fmt.Sprintf("batchresponse_%016x", x.lot), fmt.Sprintf("changesetresponse_%016x", ^x.lot)
	b := fmt.Appendf(nil, "--%s\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n", batch, set)
	for _, p := range all {
		b = fmt.Appendf(b, "--%s\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n%s\r\n", set, p)
	}
	b = fmt.Appendf(b, "--%s--\r\n--%s--\r\n", set, batch)
	return answer{http.StatusAccepted, map[string]string{"Content-Type": "multipart/mixed; boundary=" + batch}, b}
}

func appliedPart(etag string) []byte {
	b := []byte("HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\nDataServiceVersion: 3.0;\r\n")
	if etag != "" {
		b = fmt.Appendf(b, "ETag: %s\r\n", etag)
	}
	return append(b, "\r\n"...)
}

func refusedPart(r *refused) []byte {
	head := "HTTP/1.1 %d %s\r\nX-Content-Type-Options: nosniff\r\nDataServiceVersion: 3.0;\r\nContent-Type: %s\r\n\r\n%s"
	return fmt.Appendf(nil, head, r.status, http.StatusText(r.status), jsonType, tableError(r.code, r.message))
}
