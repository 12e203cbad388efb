package resources

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// CheckCredential reports an error if Azure does not accept the credential.
func (m *Manager) CheckCredential(ctx context.Context) error {
	_, err := m.cfg.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	if err != nil {
		return withoutCredential(err)
	}
	return nil
}

func withoutCredential(err error) error {
	return fmt.Errorf("no credential for Azure: run az login, or set the variables of DefaultAzureCredential: %w", err)
}

// noCredential is what an emulator is content with.
type noCredential struct{}

func (noCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "emulator", ExpiresOn: time.Now().Add(time.Hour)}, nil
}
