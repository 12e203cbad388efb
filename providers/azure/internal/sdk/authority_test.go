package sdk

import (
	"net/http"
	"testing"
	"testing/synctest"
)

// TestTheAuthorityOfTheAccountsCloudIsAsked holds, too, that the default
// credential is made without requests, and sends them over the account's
// transport.
func TestTheAuthorityOfTheAccountsCloudIsAsked(t *testing.T) {
	endpoints := func(suffix string) string {
		return "BlobEndpoint=https://name.blob." + suffix + "/;QueueEndpoint=https://name.queue." + suffix + "/;TableEndpoint=https://name.table." + suffix + "/"
	}
	const public, government, china = "login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn"
	for _, test := range []struct{ account, environment, want string }{
		{"https://name.blob.core.windows.net", "", public},
		{"https://name.blob.core.usgovcloudapi.net", "", government},
		{"https://name.blob.core.chinacloudapi.cn", "https://" + public, china},
		{"AccountName=name;EndpointSuffix=Core.UsGovCloudApi.net", "", government},
		{endpoints("core.usgovcloudapi.net"), "", government},
		{endpoints("CORE.usgovcloudapi.net"), "", government},
		{"AccountName=name;" + endpoints("core.chinacloudapi.cn"), "", china},
		{endpoints("storage.example"), "", public},
		{endpoints("storage.example"), "https://" + government, government},
	} {
		for name, value := range map[string]string{
			"AZURE_AUTHORITY_HOST": test.environment, "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": "not-a-secret",
			"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
		} {
			t.Setenv(name, value)
		}
		synctest.Test(t, func(t *testing.T) {
			s := &script{answer: func(r *http.Request) (*http.Response, error) { return reply(r, http.StatusNotFound, "{}"), nil }}
			a, err := Open(Config{Account: test.account, Transport: s})
			if err != nil {
				t.Fatal(err)
			}
			if sent := s.sent(); len(sent) > 0 {
				t.Errorf("%s: opening it sent %v", test.account, sent)
			}
			if err := read(a); err == nil {
				t.Errorf("%s: read without a token", test.account)
			}
			if asked := s.hosts(); len(asked) != 1 || asked[0] != test.want {
				t.Errorf("%s: with AZURE_AUTHORITY_HOST %q it asked %v, want %s", test.account, test.environment, asked, test.want)
			}
		})
	}
}
