package sdk

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// defaultCredential is azidentity's chain, for an account that comes without
// another.
func defaultCredential(where location, transport http.RoundTripper) (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{Cloud: cloudOf(where)}
	if transport != nil {
		options.Transport = &http.Client{Transport: transport}
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
}

// cloudOf says which cloud's authority gives tokens, by the domain of the
// endpoints. The zero value leaves it to AZURE_AUTHORITY_HOST of the environment,
// and without that to the public cloud.
func cloudOf(where location) cloud.Configuration {
	for _, endpoint := range []string{where.table, where.queue, where.blob} {
		u, err := url.Parse(endpoint)
		if err != nil {
			continue
		}
		switch host := strings.ToLower(u.Hostname()); {
		case strings.HasSuffix(host, ".usgovcloudapi.net"):
			return cloud.AzureGovernment
		case strings.HasSuffix(host, ".chinacloudapi.cn"):
			return cloud.AzureChina
		}
	}
	return cloud.Configuration{}
}
