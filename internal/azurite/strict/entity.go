package strict

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Limits of an entity, and what the service counts for its parts, documented
// under "Understanding the Table service data model".
const (
	maxProperties    = 252 // besides the keys and the timestamp
	maxEntityBytes   = 1 << 20
	maxPropertyBytes = 64 << 10
	maxPropertyName  = 255

	entityBytes   = 4 // and two for each UTF-16 unit of the keys
	propertyBytes = 8 // and two for each of its name
	lengthBytes   = 4 // of a string or binary, besides what it holds
)

var (
	propertyName = regexp.MustCompile(`^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Nd}\p{Mn}\p{Mc}\p{Pc}\p{Cf}]*$`)
	guid         = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	earliest     = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
)

// checkEntity checks the JSON of an entity. An insert has its keys there, row is
// nil then.
func checkEntity(row *operation.Row, body []byte) *refusal {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var entity map[string]any
	if err := decoder.Decode(&entity); err != nil {
		return invalidInput("property", err.Error())
	}
	if row == nil {
		partition, ok := entity["PartitionKey"].(string)
		key, alsoOK := entity["RowKey"].(string)
		if !ok || !alsoOK {
			return &refusal{"key", http.StatusBadRequest, "PropertiesNeedValue", "The values are not specified for all properties in the entity: PartitionKey, RowKey."}
		}
		row = &operation.Row{Partition: partition, Key: key}
		if r := checkRow(*row); r != nil {
			return r
		}
	}
	count, size := 0, entityBytes+2*(units(row.Partition)+units(row.Key))
	for _, name := range slices.Sorted(maps.Keys(entity)) {
		if strings.Contains(name, "@odata.") || strings.HasPrefix(name, "odata.") || entity[name] == nil {
			continue
		}
		if slices.Contains([]string{"PartitionKey", "RowKey", "Timestamp"}, name) {
			continue
		}
		declared, _ := entity[name+"@odata.type"].(string)
		n, r := checkProperty(name, entity[name], declared)
		if r != nil {
			return r
		}
		count++
		size += propertyBytes + 2*units(name) + n
	}
	if count > maxProperties {
		return &refusal{
			"entity", http.StatusBadRequest, "TooManyProperties",
			fmt.Sprintf("The entity contains more properties than allowed. Each entity can include up to 252 properties to store data. Each entity also has 3 system properties. This one has %d.", count),
		}
	}
	if size > maxEntityBytes {
		return &refusal{"entity", http.StatusBadRequest, "EntityTooLarge", fmt.Sprintf("The entity is larger than the maximum allowed size (1MB): %d bytes.", size)}
	}
	return nil
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

// checkProperty returns what the service counts for the value.
func checkProperty(name string, value any, declared string) (int, *refusal) {
	if units(name) > maxPropertyName {
		return 0, &refusal{"property", http.StatusBadRequest, "PropertyNameTooLong", "The property name exceeds the maximum allowed length (255): " + name}
	}
	if !propertyName.MatchString(name) {
		return 0, &refusal{"property", http.StatusBadRequest, "PropertyNameInvalid", "The property name is invalid: " + name}
	}
	size, ok := 0, false
	switch v := value.(type) {
	case bool:
		size, ok = 1, declared == "" || declared == "Edm.Boolean"
	case json.Number:
		size, ok = number(v, declared)
	case string:
		size, ok = text(v, declared)
	}
	if !ok {
		return 0, invalidInput("property", fmt.Sprintf("the value of %s is no %s", name, orString(declared)))
	}
	if n := size - lengthBytes; n > maxPropertyBytes {
		return 0, &refusal{"property", http.StatusBadRequest, "PropertyValueTooLarge", fmt.Sprintf("The property value exceeds the maximum allowed size (64KB): %s has %d bytes.", name, n)}
	}
	return size, nil
}

func orString(declared string) string {
	if declared == "" {
		return "value of a property"
	}
	return declared
}

func number(v json.Number, declared string) (int, bool) {
	switch declared {
	case "", "Edm.Int32":
		if _, err := strconv.ParseInt(v.String(), 10, 32); err == nil {
			return 4, true
		}
		isFloat := strings.ContainsAny(v.String(), ".eE")
		return 8, declared == "" && isFloat
	case "Edm.Double":
		return 8, true
	}
	return 0, false
}

// text is a value that is written as a string.
func text(v, declared string) (int, bool) {
	switch declared {
	case "", "Edm.String":
		return lengthBytes + 2*units(v), true
	case "Edm.Binary":
		raw, err := base64.StdEncoding.DecodeString(v)
		return lengthBytes + len(raw), err == nil
	case "Edm.Int64":
		_, err := strconv.ParseInt(v, 10, 64)
		return 8, err == nil
	case "Edm.Double":
		_, err := strconv.ParseFloat(v, 64)
		return 8, err == nil
	case "Edm.DateTime":
		at, err := time.Parse(time.RFC3339Nano, v)
		return 8, err == nil && !at.Before(earliest)
	case "Edm.Guid":
		return 16, guid.MatchString(v)
	}
	return 0, false
}
