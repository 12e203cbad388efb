package resources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/appcontainers/armappcontainers/v3"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// Config says how to reach Azure Resource Manager.
type Config struct {
	Subscription string
	// Endpoint of an emulator, such as http://127.0.0.1:8080; empty for Azure.
	Endpoint string
	// Credential for Azure; default azidentity.DefaultAzureCredential. The emulator
	// needs none.
	Credential azcore.TokenCredential
	// Transport sends the requests; default a client that gives up after a while.
	Transport policy.Transporter
	// Sealer seals resume tokens.
	Sealer *lro.Sealer
}

// Manager has the clients for one subscription. It is safe for concurrent use.
type Manager struct {
	cfg        Config
	kinds      map[environment.Kind]kind
	groups     *armresources.ResourceGroupsClient
	resources  *armresources.Client
	namespaces *armresources.ProvidersClient
	roles      *armauthorization.RoleAssignmentsClient
	browser    *http.Client // for the smoke test
}

// Open makes the clients. It makes no request.
func Open(cfg Config) (*Manager, error) {
	options := &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Retry:     policy.RetryOptions{MaxRetries: -1}, // orchestrations wait, not activities
			Transport: cfg.Transport,
		},
		DisableRPRegistration: true,
	}
	if cfg.Transport == nil {
		options.Transport = &http.Client{Timeout: 50 * time.Second} // less than an attempt may take
	}
	if cfg.Endpoint != "" {
		options.Cloud = cloud.Configuration{
			ActiveDirectoryAuthorityHost: cfg.Endpoint,
			Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: cfg.Endpoint, Audience: cfg.Endpoint}},
		}
		options.InsecureAllowCredentialWithHTTP = true
		cfg.Credential = noCredential{}
	}
	if cfg.Credential == nil {
		credential, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, withoutCredential(err)
		}
		cfg.Credential = credential
	}
	m := &Manager{cfg: cfg, browser: browser(cfg)}
	var networks *armnetwork.VirtualNetworksClient
	var accounts *armstorage.AccountsClient
	var identities *armmsi.UserAssignedIdentitiesClient
	var appEnvs *armappcontainers.ManagedEnvironmentsClient
	var apps *armappcontainers.ContainerAppsClient
	opened := []error{
		client(&m.groups, armresources.NewResourceGroupsClient, cfg, options),
		client(&m.resources, armresources.NewClient, cfg, options),
		client(&m.namespaces, armresources.NewProvidersClient, cfg, options),
		client(&m.roles, armauthorization.NewRoleAssignmentsClient, cfg, options),
		client(&networks, armnetwork.NewVirtualNetworksClient, cfg, options),
		client(&accounts, armstorage.NewAccountsClient, cfg, options),
		client(&identities, armmsi.NewUserAssignedIdentitiesClient, cfg, options),
		client(&appEnvs, armappcontainers.NewManagedEnvironmentsClient, cfg, options),
		client(&apps, armappcontainers.NewContainerAppsClient, cfg, options),
	}
	m.kinds = map[environment.Kind]kind{
		environment.Namespace:     namespaceKind(m.namespaces),
		environment.Group:         groupKind(m.groups),
		environment.Network:       networkKind(networks),
		environment.Storage:       storageKind(accounts),
		environment.Identity:      identityKind(identities),
		environment.AppEnv:        appEnvKind(appEnvs),
		environment.App:           appKind(apps),
		environment.RoleAssigning: roleKind(m.roles),
	}
	return m, errors.Join(opened...)
}

// client makes one of the SDK's clients.
func client[C any](to **C, open func(string, azcore.TokenCredential, *arm.ClientOptions) (*C, error), cfg Config, options *arm.ClientOptions) (err error) {
	*to, err = open(cfg.Subscription, cfg.Credential, options)
	return err
}

// Handlers are the activities.
func (m *Manager) Handlers() []core.Handler {
	handlers := environment.Ensure.Implement(lro.Client[environment.Resource, environment.Made]{Begin: m.ensure, Look: m.look}, m.cfg.Sealer)
	handlers = append(handlers, environment.Remove.Implement(lro.Client[environment.Resource, environment.Made]{Begin: m.remove, Look: m.gone}, m.cfg.Sealer)...)
	return append(handlers, environment.SmokeTest.Func(m.smokeTest), environment.Groups.Func(m.ownedGroups))
}

// browser makes the client that looks at apps. The apps of an emulator answer at
// its own address, whatever the name of their host.
func browser(cfg Config) *http.Client {
	c := &http.Client{Timeout: 30 * time.Second}
	if own, ok := cfg.Transport.(*http.Client); ok && cfg.Endpoint != "" {
		c.Transport = own.Transport
	}
	return c
}

// smokeTest asks an app for its page.
func (m *Manager) smokeTest(ctx context.Context, host string) (int, error) {
	at := &url.URL{Scheme: "https", Host: host, Path: "/"}
	if m.cfg.Endpoint != "" {
		emulator, err := url.Parse(m.cfg.Endpoint)
		if err != nil {
			return 0, err
		}
		at.Scheme, at.Host = emulator.Scheme, emulator.Host
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Host = host
	resp, err := m.browser.Do(req)
	if err != nil {
		return 0, fmt.Errorf("smoke test of %s: %w", host, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection is used again
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("smoke test of %s: it answers %s", host, resp.Status)
	}
	return resp.StatusCode, nil
}

// ownedGroups lists the resource groups of a hub.
func (m *Manager) ownedGroups(ctx context.Context, spec environment.Spec) (owned []environment.OwnedGroup, err error) {
	filter := fmt.Sprintf("tagName eq '%s' and tagValue eq '%s'", environment.HubTag, strings.ReplaceAll(spec.Hub, "'", "''"))
	pages := m.groups.NewListPager(&armresources.ResourceGroupsClientListOptions{Filter: &filter})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, lro.Clean("list resource groups", err)
		}
		for _, g := range page.Value {
			if owner := ownerOf(g.Tags); owner.Hub == spec.Hub {
				owned = append(owned, environment.OwnedGroup{ID: text(g.ID), Location: text(g.Location), Owner: owner})
			}
		}
	}
	return owned, nil
}
