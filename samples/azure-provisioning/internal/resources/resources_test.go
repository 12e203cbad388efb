package resources

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
	groupfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	storagefake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage/fake"
	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The service of these tests is the SDK's own fakes, in this process.
type service struct {
	groups   groupfake.ServerFactory
	accounts storagefake.AccountsServer
	writes   int
}

// byProvider sends each request to the fake that knows it.
type byProvider struct{ groups, accounts policy.Transporter }

func (b byProvider) Do(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "Microsoft.Storage") && r.Method != http.MethodDelete { // that goes by id
		return b.accounts.Do(r)
	}
	return b.groups.Do(r)
}

func (s *service) open(t *testing.T) *Manager {
	t.Helper()
	sealer, err := lro.NewSealer(lro.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(Config{
		Subscription: "sub", Credential: &azfake.TokenCredential{}, Sealer: sealer,
		Transport: byProvider{groupfake.NewServerFactoryTransport(&s.groups), storagefake.NewAccountsServerTransport(&s.accounts)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var (
	owner  = environment.Owner{Hub: "hub", Instance: "alpha"}
	wanted = environment.Plan{Spec: environment.Spec{Subscription: "sub", Location: "x"}, Owner: owner}
)

// there makes the storage account exist.
func (s *service) there(change func(*armstorage.Account)) {
	s.accounts.GetProperties = func(context.Context, string, string, *armstorage.AccountsClientGetPropertiesOptions) (r azfake.Responder[armstorage.AccountsClientGetPropertiesResponse], e azfake.ErrorResponder) {
		if change == nil {
			e.SetResponseError(http.StatusNotFound, "ResourceNotFound")
			return r, e
		}
		a := armstorage.Account{
			ID: new("/the/account"), Tags: tags(wanted.Storage()),
			Kind: new(armstorage.KindStorageV2), SKU: &armstorage.SKU{Name: new(armstorage.SKUNameStandardLRS)},
			Properties: &armstorage.AccountProperties{
				ProvisioningState: new(armstorage.ProvisioningStateSucceeded), MinimumTLSVersion: new(armstorage.MinimumTLSVersionTLS12),
				EnableHTTPSTrafficOnly: new(true), AllowBlobPublicAccess: new(false),
			},
		}
		change(&a)
		r.SetResponse(http.StatusOK, armstorage.AccountsClientGetPropertiesResponse{Account: a}, nil)
		return r, e
	}
	s.accounts.BeginCreate = func(context.Context, string, string, armstorage.AccountCreateParameters, *armstorage.AccountsClientBeginCreateOptions) (r azfake.PollerResponder[armstorage.AccountsClientCreateResponse], e azfake.ErrorResponder) {
		s.writes++
		r.SetTerminalResponse(http.StatusOK, armstorage.AccountsClientCreateResponse{}, nil)
		return r, e
	}
}

func TestWhatIsThereDecidesWhetherItIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*armstorage.Account)
		writes int
		waits  bool // for what is under way
		code   string
	}{
		"missing":   {nil, 1, false, ""},
		"as wanted": {func(*armstorage.Account) {}, 0, false, ""},
		"tags differ in case": {func(a *armstorage.Account) {
			a.Tags = map[string]*string{"Durable-Hub": new("hub"), "DURABLE-INSTANCE": new("alpha")}
		}, 0, false, ""},
		"open": {func(a *armstorage.Account) { a.Properties.AllowBlobPublicAccess = new(true) }, 1, false, ""},
		"under way": {func(a *armstorage.Account) {
			a.Properties.ProvisioningState = new(armstorage.ProvisioningStateCreating)
		}, 0, true, ""},
		"of others":    {func(a *armstorage.Account) { a.Tags[environment.InstanceTag] = new("beta") }, 0, false, environment.NotOurs},
		"of nobody":    {func(a *armstorage.Account) { a.Tags = nil }, 0, false, environment.NotOurs},
		"of other hub": {func(a *armstorage.Account) { a.Tags[environment.HubTag] = new("other") }, 0, false, environment.NotOurs},
	} {
		s := &service{}
		s.there(c.change)
		p, err := s.open(t).ensure(t.Context(), wanted.Storage(), "")
		refused, _ := errors.AsType[*lro.Error](err)
		if c.waits != errors.Is(err, lro.ErrUnderWay) {
			t.Errorf("%s: %v", name, err)
		}
		if (c.code == "" && !c.waits) != (err == nil) || (c.code != "" && (refused == nil || refused.Code != c.code)) {
			t.Errorf("%s: %v", name, err)
		}
		if s.writes != c.writes || (err == nil) != (p != nil) {
			t.Errorf("%s: %d writes, poller %v", name, s.writes, p)
		}
	}
}

func TestAGroupGoesOnlyIfAllInItIsOurs(t *testing.T) {
	for name, c := range map[string]struct {
		contents []map[string]*string // tags of what is in it
		deletes  int
	}{
		"empty":         {nil, 1},
		"ours":          {[]map[string]*string{tags(wanted.Storage())}, 1},
		"one of others": {[]map[string]*string{tags(wanted.Storage()), {"team": new("x")}}, 0},
	} {
		s := &service{}
		s.groups.ResourceGroupsServer.Get = func(context.Context, string, *armresources.ResourceGroupsClientGetOptions) (r azfake.Responder[armresources.ResourceGroupsClientGetResponse], e azfake.ErrorResponder) {
			r.SetResponse(http.StatusOK, armresources.ResourceGroupsClientGetResponse{ResourceGroup: armresources.ResourceGroup{
				ID: new(wanted.Group().ID), Tags: tags(wanted.Group()), Properties: &armresources.ResourceGroupProperties{ProvisioningState: new("Succeeded")},
			}}, nil)
			return r, e
		}
		s.groups.Server.NewListByResourceGroupPager = func(string, *armresources.ClientListByResourceGroupOptions) (r azfake.PagerResponder[armresources.ClientListByResourceGroupResponse]) {
			page := armresources.ClientListByResourceGroupResponse{}
			for _, tags := range c.contents {
				page.Value = append(page.Value, &armresources.GenericResourceExpanded{ID: new("/something"), Tags: tags})
			}
			r.AddPage(http.StatusOK, page, nil)
			return r
		}
		s.groups.ResourceGroupsServer.BeginDelete = func(context.Context, string, *armresources.ResourceGroupsClientBeginDeleteOptions) (r azfake.PollerResponder[armresources.ResourceGroupsClientDeleteResponse], e azfake.ErrorResponder) {
			s.writes++
			r.SetTerminalResponse(http.StatusOK, armresources.ResourceGroupsClientDeleteResponse{}, nil)
			return r, e
		}
		_, err := s.open(t).remove(t.Context(), wanted.Group(), "")
		if s.writes != c.deletes || environment.IsNotOurs(err) != (c.deletes == 0) {
			t.Errorf("%s: %d deletes, %v", name, s.writes, err)
		}
	}
}

// What goes between the look and the request is gone, as it should be.
func TestWhatHasGoneMeanwhileIsRemoved(t *testing.T) {
	s := &service{}
	s.there(func(*armstorage.Account) {})
	s.groups.Server.BeginDeleteByID = func(context.Context, string, string, *armresources.ClientBeginDeleteByIDOptions) (r azfake.PollerResponder[armresources.ClientDeleteByIDResponse], e azfake.ErrorResponder) {
		s.writes++
		e.SetResponseError(http.StatusNotFound, "ResourceNotFound")
		return r, e
	}
	p, err := s.open(t).remove(t.Context(), wanted.Storage(), "")
	if err != nil || p == nil || !p.Done() || s.writes != 1 {
		t.Errorf("%v, %v after %d requests", p, err, s.writes)
	}
}

func TestAKindThatThisWorkerDoesNotKnowIsAnErrorWithTheNextStep(t *testing.T) {
	m := (&service{}).open(t)
	for _, r := range []resource{{}, {Kind: "virtual machine", ID: "/x"}, {Kind: environment.Storage, ID: "no id"}} {
		_, err := m.ensure(t.Context(), r, "")
		if _, ok := errors.AsType[*lro.Error](err); !ok {
			t.Errorf("%v: %v", r, err)
		}
	}
}
