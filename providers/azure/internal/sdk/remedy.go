package sdk

import (
	"fmt"
	"strings"
	"time"
)

// maxSkew is how far clocks may be apart: the service refuses signatures that
// are dated otherwise.
const maxSkew = 15 * time.Minute

// roles are the names under which Azure grants access to data.
var roles = map[service]string{
	tables:     "Storage Table Data",
	queues:     "Storage Queue Data",
	containers: "Storage Blob Data",
}

// role is what workers and clients need for the call. A read alone needs less,
// but a program that got that would be denied its first write.
func (c call) role() string { return roles[c.service] + " Contributor" }

// remedy says what an operator can do about a request that was denied.
func (c call) remedy(code string, offset time.Duration) string {
	switch code {
	case "AuthenticationFailed", "InvalidAuthenticationInfo":
		if offset > maxSkew || offset < -maxSkew {
			side := "behind"
			if offset < 0 {
				side = "ahead of"
			}
			return fmt.Sprintf("this machine's clock is %v %s the service's, and at most %v are accepted: set the clock", offset.Abs().Round(time.Second), side, maxSkew)
		}
		return "the key, signature or token is wrong, expired, or for another account: get it anew"
	case "NoAuthenticationInformation":
		return "the service saw no credential: give a key, a signature, or a credential over https"
	case "KeyBasedAuthenticationNotPermitted":
		return "the account accepts no keys: name it by URL, and assign the role " + c.role()
	case "AuthorizationFailure":
		return "the account's network rules keep this machine out, or it accepts no keys: check its networking page, and the role " + c.role() + "; an emulator says so of a key or signature that is wrong or expired"
	case "AuthorizationSourceIPMismatch", "AuthorizationProtocolMismatch",
		"AuthorizationServiceMismatch", "AuthorizationResourceTypeMismatch":
		return "the shared access signature does not allow this: make one for services bqt, resource types sco, permissions rwdlacup"
	case "AccountIsDisabled":
		return "enable the account again, in its subscription"
	}
	looks := ""
	if !c.write {
		looks = fmt.Sprintf(" (where it only looks, %q)", roles[c.service]+" Reader")
	}
	return fmt.Sprintf("assign the role %q%s to this identity, for the account, with those for the other two services (a new assignment takes some minutes), or allow it in the shared access signature", c.role(), looks)
}

// advised is the failure with what to do in place of what Azurite says at length,
// if that is older than the SDK.
func (f *failure) advised() *failure {
	const old = "is not supported by Azurite"
	version, _, ok := strings.Cut(f.message, old)
	if !ok {
		return f
	}
	g := *f
	g.message = version + old + ": start Azurite with --skipApiVersionCheck, or a newer one"
	return &g
}
