package sdk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	azcontainer "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

func containerCall(verb, container string) call {
	return call{service: containers, verb: verb, what: "container " + container, whole: true}
}

func blobCall(verb, container, name string) call {
	return call{service: containers, verb: verb, what: "blob " + container + "/" + name}
}

// CreateContainer implements [storage.Blobs].
func (a *Account) CreateContainer(ctx context.Context, container string) error {
	return a.write(ctx, containerCall("creating", container), 0, func(ctx context.Context) error {
		_, err := a.blobs.NewContainerClient(container).Create(ctx, nil)
		return err
	})
}

// DeleteContainer implements [storage.Blobs].
func (a *Account) DeleteContainer(ctx context.Context, container string) error {
	return a.write(ctx, containerCall("deleting", container), 0, func(ctx context.Context) error {
		_, err := a.blobs.NewContainerClient(container).Delete(ctx, nil)
		return err
	})
}

// PutBlob implements [storage.Blobs].
func (a *Account) PutBlob(ctx context.Context, container, name string, data []byte) error {
	c := blobCall("writing", container, name)
	c.creates = true
	return a.write(ctx, c, len(data), func(ctx context.Context) error {
		none := &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: new(azcore.ETagAny)}}
		_, err := a.blobs.NewContainerClient(container).NewBlockBlobClient(name).
			Upload(ctx, streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{AccessConditions: none})
		return err
	})
}

// GetBlob implements [storage.Blobs]. The deadline is that of the answer's head, and
// then moved by what the body takes.
func (a *Account) GetBlob(ctx context.Context, container, name string) (data []byte, err error) {
	c := blobCall("reading", container, name)
	err = a.read(ctx, c, func(ctx context.Context) error {
		answer, err := a.blobs.NewContainerClient(container).NewBlobClient(name).DownloadStream(ctx, nil)
		if err != nil {
			return err
		}
		if answer.ContentLength == nil {
			return c.corrupt(errors.Join(errors.New("an answer without a length"), answer.Body.Close()))
		}
		a.expect(ctx, *answer.ContentLength)
		data = make([]byte, *answer.ContentLength)
		_, err = io.ReadFull(answer.Body, data)
		return errors.Join(err, answer.Body.Close())
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// DeleteBlob implements [storage.Blobs].
func (a *Account) DeleteBlob(ctx context.Context, container, name string) error {
	return a.write(ctx, blobCall("deleting", container, name), 0, func(ctx context.Context) error {
		all := blob.DeleteSnapshotsOptionTypeInclude
		_, err := a.blobs.NewContainerClient(container).NewBlobClient(name).Delete(ctx, &blob.DeleteOptions{DeleteSnapshots: &all})
		return err
	})
}

// ListBlobs implements [storage.Blobs].
func (a *Account) ListBlobs(ctx context.Context, container, prefix, marker string) (page storage.BlobPage, err error) {
	c := call{service: containers, verb: "listing", what: "blobs " + container + "/" + prefix + "*", whole: true}
	err = a.read(ctx, c, func(ctx context.Context) error {
		page = storage.BlobPage{}
		answer, err := a.blobs.NewContainerClient(container).
			NewListBlobsFlatPager(&azcontainer.ListBlobsFlatOptions{Prefix: &prefix, Marker: &marker}).NextPage(ctx)
		if err != nil {
			return err
		}
		if answer.Segment != nil {
			for _, b := range answer.Segment.BlobItems {
				if b == nil || b.Name == nil || b.Properties == nil || b.Properties.ContentLength == nil || b.Properties.LastModified == nil {
					return c.corrupt(errors.New("a blob without its name, size or time"))
				}
				if orEmpty(b.Properties.ResourceType) == "directory" {
					continue // of an account with a hierarchical namespace
				}
				page.Blobs = append(page.Blobs, storage.Blob{Name: *b.Name, Size: *b.Properties.ContentLength, Modified: b.Properties.LastModified.In(time.UTC)})
			}
		}
		page.Next = orEmpty(answer.NextMarker)
		return nil
	})
	if err != nil {
		return storage.BlobPage{}, err
	}
	return page, nil
}
