package sdk

import (
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
)

// clients are the SDK's clients of one account.
type clients struct {
	queues *azqueue.ServiceClient
	blobs  *service.Client
}

// connectByToken makes clients that ask cred for tokens, or if that is nil
// whatever [azidentity.DefaultAzureCredential] finds.
func connectByToken(queueURL, blobURL string, cred azcore.TokenCredential, options policy.ClientOptions) (c clients, err error) {
	if cred == nil {
		if cred, err = azidentity.NewDefaultAzureCredential(nil); err != nil {
			return c, err
		}
	}
	if c.queues, err = azqueue.NewServiceClient(queueURL, cred, &azqueue.ClientOptions{ClientOptions: options}); err != nil {
		return c, err
	}
	c.blobs, err = service.NewClient(blobURL, cred, &service.ClientOptions{ClientOptions: options})
	return c, err
}
