package overhttp

import (
	"context"
	"encoding/xml"
	"net/http"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

func (x *exchange) blob(ctx context.Context) (answer, error) {
	q := x.request.URL.Query()
	switch x.Kind {
	case operation.CreateContainer:
		return answer{status: http.StatusCreated}, x.client.CreateContainer(ctx, x.Name)
	case operation.DeleteContainer:
		return answer{status: http.StatusAccepted}, x.client.DeleteContainer(ctx, x.Name)
	case operation.PutBlob:
		if operation.Header(x.request.Header, "If-None-Match") != "*" || operation.Header(x.request.Header, "x-ms-blob-type") != "BlockBlob" {
			return x.strange("a blob that may replace another")
		}
		return answer{status: http.StatusCreated}, x.client.PutBlob(ctx, x.Name, x.Item, x.body)
	case operation.GetBlob:
		data, err := x.client.GetBlob(ctx, x.Name, x.Item)
		return answer{http.StatusOK, map[string]string{"Content-Type": "application/octet-stream"}, data}, err
	case operation.DeleteBlob:
		return answer{status: http.StatusAccepted}, x.client.DeleteBlob(ctx, x.Name, x.Item)
	case operation.ListBlobs:
		page, err := x.client.ListBlobs(ctx, x.Name, q.Get("prefix"), q.Get("marker"))
		return answer{status: http.StatusOK}.as(x.list(q.Get("prefix"), page)), err
	default:
		return x.strange("an operation of blobs that is not in use")
	}
}

// The body of a listing.
type (
	blobList struct {
		XMLName   xml.Name   `xml:"EnumerationResults"`
		Endpoint  string     `xml:"ServiceEndpoint,attr"`
		Container string     `xml:"ContainerName,attr"`
		Prefix    string     `xml:"Prefix"`
		Blobs     []blobItem `xml:"Blobs>Blob"`
		Next      string     `xml:"NextMarker"`
	}
	blobItem struct {
		Name       string
		Properties blobProperties
	}
	blobProperties struct {
		Modified string `xml:"Last-Modified"`
		Length   int64  `xml:"Content-Length"`
		Type     string `xml:"BlobType"`
	}
)

func (x *exchange) list(prefix string, page storage.BlobPage) blobList {
	list := blobList{Endpoint: "https://" + x.request.URL.Host + "/", Container: x.Name, Prefix: prefix, Next: page.Next}
	for _, b := range page.Blobs {
		list.Blobs = append(list.Blobs, blobItem{b.Name, blobProperties{stamp(b.Modified), b.Size, "BlockBlob"}})
	}
	return list
}
