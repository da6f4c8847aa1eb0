package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// signer asks each remote signer for its accounts, as a node does when it starts.
// One that does not get its own from there does not start, whatever its version
// (node-keystore/src/signer.ts, validateAccess).
func (e exam) signer(ctx context.Context) []Finding {
	var list []Finding
	for _, s := range e.Signers {
		f := e.signsFor(ctx, s)
		f.Holds = f.Level == Failed
		list = append(list, f)
	}
	return list
}

func (e exam) signsFor(ctx context.Context, s Signer) Finding {
	at, other := where(s.URL), "aztec-spartan keys "+e.Name+" add --keystore FILE --replace names another one"
	var accounts []string
	err := e.rpc(ctx, s.URL, "eth_accounts", &accounts)
	if errors.Is(err, errUntrusted) {
		return warn("a node trusts the file that NODE_EXTRA_CA_CERTS names, too", "%s: %v", at, err)
	}
	if err != nil {
		return fail("start the remote signer; "+other, "%s: %v", at, err)
	}
	missing := slices.DeleteFunc(slices.Clone(s.Addresses), func(address string) bool {
		return slices.ContainsFunc(accounts, func(a string) bool { return strings.EqualFold(a, address) })
	})
	if len(missing) > 0 {
		return fail("have it load their keys; "+other, "%s does not sign for %s", at, strings.Join(missing, ", "))
	}
	return ok("%s signs for %s", at, strings.Join(s.Addresses, ", "))
}

func (e exam) signers() []string {
	var urls []string
	for _, s := range e.Signers {
		urls = append(urls, s.URL)
	}
	return urls
}
