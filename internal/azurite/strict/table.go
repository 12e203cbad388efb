package strict

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Limits of the Table service, documented under "Performing entity group
// transactions" and "Understanding the Table service data model".
const (
	maxChanges    = 100
	maxBatchBytes = 4 << 20
	maxKeyUnits   = 512 // 1 KiB of UTF-16
	maxTop        = 1000

	reservedName = "tables" // in any case; that there are more is said, and not which
)

var (
	tableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)
	badInKey  = regexp.MustCompile(`[/\\#?\x00-\x1f\x{7f}-\x{9f}]`)
)

func createdTable(body []byte) string {
	var table struct {
		TableName string `json:"TableName"`
	}
	if json.Unmarshal(body, &table) != nil {
		return ""
	}
	return table.TableName
}

// checkTable checks an operation that stands alone or in a transaction.
func checkTable(o operation.Operation, header http.Header, q url.Values, body []byte) *refusal {
	if o.Name != "" {
		if r := checkName(o.Name, tableName); r != nil {
			return r
		}
	}
	if o.Kind == operation.CreateTable && strings.EqualFold(o.Name, reservedName) {
		return &refusal{"name", http.StatusNotFound, "ResourceNotFound", "The name of the table is reserved: " + o.Name}
	}
	switch o.Kind {
	case operation.InsertEntity:
		return checkEntity(nil, body)
	case operation.InsertOrReplaceEntity, operation.InsertOrMergeEntity, operation.UpdateEntity, operation.MergeEntity:
		return first(checkRow(o.Row), checkEntity(&o.Row, body))
	case operation.GetEntity:
		return checkRow(o.Row)
	case operation.DeleteEntity:
		if operation.Header(header, "If-Match") == "" {
			return &refusal{"parameter", http.StatusBadRequest, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified: If-Match"}
		}
		return checkRow(o.Row)
	case operation.QueryEntities, operation.QueryTables:
		return first(checkTop(q), checkFilter(q.Get("$filter")))
	default:
		return nil
	}
}

func checkTop(q url.Values) *refusal {
	if !q.Has("$top") {
		return nil
	}
	if n, err := strconv.Atoi(q.Get("$top")); err != nil || n < 1 || n > maxTop {
		return invalidInput("parameter", "$top="+q.Get("$top"))
	}
	return nil
}

func checkRow(row operation.Row) *refusal {
	return first(checkKey("PartitionKey", row.Partition), checkKey("RowKey", row.Key))
}

func checkKey(name, value string) *refusal {
	if len(utf16.Encode([]rune(value))) > maxKeyUnits {
		return &refusal{"key", http.StatusBadRequest, "KeyValueTooLarge", "The specified key value exceeds the maximum size of 1 KiB: " + name}
	}
	if badInKey.MatchString(value) {
		return &refusal{"key", http.StatusBadRequest, "OutOfRangeInput", fmt.Sprintf("The '%s' parameter of value '%s' is out of range.", name, value)}
	}
	return nil
}

func invalidInput(rule, what string) *refusal {
	return &refusal{rule, http.StatusBadRequest, "InvalidInput", "One of the request inputs is not valid: " + what}
}

// checkTransaction checks a transaction as a whole, then its operations in
// order. It is refused by its first operation that breaks a rule.
func (c *Checker) checkTransaction(request *http.Request, body []byte) *finding {
	at := func(index int, r *refusal) *finding {
		if r == nil {
			return nil
		}
		return &finding{*r, operation.Table, index}
	}
	if len(body) > maxBatchBytes {
		return at(-1, &refusal{"size", http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."})
	}
	changes, err := c.reader.Changes(request, body)
	if err != nil {
		return at(-1, invalidInput("header", err.Error()))
	}
	if len(changes) == 0 {
		return at(-1, invalidInput("count", "a transaction of no operations"))
	}
	if len(changes) > maxChanges {
		return at(maxChanges-1, invalidInput("count", "The batch request operation exceeds the maximum 100 changes per change set."))
	}
	rows := map[operation.Row]bool{}
	for i := range changes {
		change := &changes[i]
		if f := at(i, checkTable(change.Operation, change.Header, nil, change.Body)); f != nil {
			return f
		}
		if change.Kind == operation.InsertEntity {
			change.Row = insertedRow(change.Body)
		}
		if f := at(i, together(changes[:i+1], rows)); f != nil {
			return f
		}
		rows[change.Row] = true
	}
	return at(0, c.deleted.check(changes[0].Operation))
}

// insertedRow is the address of an entity that was checked.
func insertedRow(body []byte) operation.Row {
	var row struct {
		PartitionKey string `json:"PartitionKey"`
		RowKey       string `json:"RowKey"`
	}
	_ = json.Unmarshal(body, &row)
	return operation.Row{Partition: row.PartitionKey, Key: row.RowKey}
}

// together checks the last operation against those before it, whose rows are
// given.
func together(changes []operation.Change, rows map[operation.Row]bool) *refusal {
	start, last := changes[0], changes[len(changes)-1]
	switch {
	case !strings.EqualFold(last.Name, start.Name):
		return invalidInput("one partition", "operations on the tables "+start.Name+" and "+last.Name)
	case last.Kind == operation.Unknown, len(changes) > 1 && (!last.Kind.Write() || !start.Kind.Write()):
		return invalidInput("one partition", "a transaction holds writes of entities, or one read: "+last.String())
	case last.Row.Partition != start.Row.Partition:
		return &refusal{"one partition", http.StatusBadRequest, "CommandsInBatchActOnDifferentPartitions", "All commands in a batch must operate on same entity group."}
	case rows[last.Row]:
		return &refusal{
			"once", http.StatusBadRequest, "InvalidDuplicateRow",
			fmt.Sprintf("A command with RowKey '%s' is already present in the batch. An entity can appear only once in a batch.", last.Row.Key),
		}
	}
	return nil
}
