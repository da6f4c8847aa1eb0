package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const goodNodeInfo = `{"jsonrpc":"2.0","id":1,"result":{"nodeVersion":"4.1.2","l1ChainId":31337,
"enr":"enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA_yWM0xOIN1ZHCCdl8",
"l1ContractAddresses":{"registryAddress":"0x0000000000000000000000000000000000000001","governanceProposerAddress":"0x0000000000000000000000000000000000000002",
"feeJuiceAddress":"0x0000000000000000000000000000000000000003","rollupAddress":"0x0000000000000000000000000000000000000004","rewardDistributorAddress":"0x0000000000000000000000000000000000000005",
"governanceAddress":"0x0000000000000000000000000000000000000006","coinIssuerAddress":"0x0000000000000000000000000000000000000007","feeJuicePortalAddress":"0x0000000000000000000000000000000000000008",
"inboxAddress":"0x0000000000000000000000000000000000000009","outboxAddress":"0x000000000000000000000000000000000000000a"}}}`

func bootnodeServer(t *testing.T, status int, answer string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || !strings.Contains(string(body), `"node_getNodeInfo"`) {
			t.Errorf("%s %s, %v", r.Method, body, err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestNodeInfo(t *testing.T) {
	info, err := nodeInfo(context.Background(), bootnodeServer(t, 200, goodNodeInfo))
	if err != nil || info.L1ChainID != 31337 || len(info.ENRs) != 1 || len(info.Contracts) != 10 {
		t.Errorf("%+v, %v", info, err)
	}
	for name, c := range map[string]struct {
		status       int
		answer, want string
	}{
		"no registry": {200, strings.Replace(goodNodeInfo, `"registryAddress":"0x0000000000000000000000000000000000000001",`, "", 1), "registryAddress is missing"},
		"null":        {200, strings.Replace(goodNodeInfo, `31337`, "null", 1), "l1ChainId is missing"},
		"no JSON":     {200, "<html>", "not JSON-RPC"},
		"status":      {502, "", "it answers 502"},
		"endless":     {200, strings.Repeat(" ", maxNodeInfo+2), "larger than"},
	} {
		_, err := nodeInfo(context.Background(), bootnodeServer(t, c.status, c.answer))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A bootnode's URL may carry a provider's key.
func TestNodeInfoKeepsURLs(t *testing.T) {
	_, err := nodeInfo(context.Background(), "http://user:pw@127.0.0.1:1/v3/SECRET")
	if err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "pw") {
		t.Errorf("%v", err)
	}
}
