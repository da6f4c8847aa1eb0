package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// maxAge is how old the newest block of L1 may be. Blocks come every 12 s, and
// are missed sometimes.
const maxAge = 3 * time.Minute

// block is the part of one that is looked at.
type block struct {
	Number       quantity `json:"number"`
	Timestamp    quantity `json:"timestamp"`
	Transactions []string `json:"transactions"`
}

func (b block) time() time.Time { return time.Unix(int64(b.Timestamp), 0) }

func (e exam) l1(ctx context.Context) []Finding {
	var list []Finding
	var hard []bool
	for _, url := range e.L1 {
		f, wrong := e.execution(ctx, url)
		list, hard = append(list, f), append(hard, wrong)
	}
	return sources(list, hard)
}

// execution examines one execution node; hard says that no other one makes good
// for it.
func (e exam) execution(ctx context.Context, url string) (f Finding, hard bool) {
	at, do := where(url), e.config("--ethereum-host URL")
	var chain quantity
	if err := e.rpc(ctx, url, "eth_chainId", &chain); err != nil {
		return fail(do, "%s: %v", at, err), false
	}
	if e.ChainID != 0 && uint64(chain) != e.ChainID {
		return fail(do, "%s is on chain %d, and the network is on %d", at, chain, e.ChainID), true
	}
	var syncing json.RawMessage
	if err := e.rpc(ctx, url, "eth_syncing", &syncing); err == nil && string(syncing) != "false" {
		return fail("wait until it has synced, or "+do, "%s is syncing", at), false
	}
	var newest block
	if err := e.rpc(ctx, url, "eth_getBlockByNumber", &newest, "latest", false); err != nil {
		return fail(do, "%s: asked for its newest block, %v", at, err), false
	}
	age := e.Clock.Now().Sub(newest.time())
	if age > maxAge && !e.Quiet {
		return fail("is its beacon node alive? else "+do, "%s: chain %d, its newest block %d is %s old", at, chain, newest.Number, age.Round(time.Second)), false
	}
	return ok("%s: chain %d, block %d", at, chain, newest.Number), false
}

// config is the call that changes a setting of the node.
func (e exam) config(flags string) string { return "aztec-spartan config " + e.Name + " " + flags }

// noHash is that of no transaction.
var noHash = "0x" + strings.Repeat("0", 64)

// trace asks for what a validator needs when it looks at how others published:
// debug_traceTransaction (ETHEREUM_DEBUG_HOSTS; the node starts without unless
// ETHEREUM_ALLOW_NO_DEBUG_HOSTS=false).
func (e exam) trace(ctx context.Context) []Finding {
	if !e.Traces {
		return nil
	}
	urls := e.Trace
	if len(urls) == 0 {
		urls = e.L1
	}
	var errs []string
	for _, url := range urls {
		err := e.traces(ctx, url)
		if err == nil {
			return one(ok("%s answers debug_traceTransaction", where(url)))
		}
		errs = append(errs, where(url)+": "+err.Error())
	}
	if len(errs) == 0 {
		return nil
	}
	f := warn(e.config("--set ETHEREUM_DEBUG_HOSTS=URL"), "debug_traceTransaction is not answered: %s", strings.Join(errs, "; "))
	if e.MustTrace {
		f.Level = Failed
	}
	return one(f)
}

func (e exam) traces(ctx context.Context, url string) error {
	var newest block
	if err := e.rpc(ctx, url, "eth_getBlockByNumber", &newest, "latest", false); err != nil {
		return err
	}
	hash, known := noHash, len(newest.Transactions) > 0
	if known {
		hash = newest.Transactions[0]
	}
	var result json.RawMessage
	err := e.rpc(ctx, url, "debug_traceTransaction", &result, hash,
		map[string]any{"tracer": "callTracer", "tracerConfig": map[string]any{"onlyTopCall": true}})
	if _, said := errors.AsType[*rpcError](err); said && !known && !noMethod(err) {
		return nil // it looked for the transaction
	}
	return err
}

// lowBalance is one that a publisher soon has spent, in wei: 0.1 ETH.
var lowBalance = big.NewInt(100_000_000_000_000_000)

// balance looks at who pays for what the node publishes.
func (e exam) balance(ctx context.Context) []Finding {
	var list []Finding
	for _, address := range e.Publishers {
		wei, err := e.wei(ctx, address)
		switch {
		case err != nil:
			list = append(list, warn("aztec-spartan doctor "+e.Name+", once L1 answers", "%s: its balance is not known: %v", address, err))
		case wei.Sign() == 0:
			list = append(list, fail("send ETH on L1 to "+address, "%s has no ETH: nothing can be published", address))
		case wei.Cmp(lowBalance) < 0:
			list = append(list, warn("send ETH on L1 to "+address, "%s has only %s ETH", address, ether(wei)))
		default:
			list = append(list, ok("%s has %s ETH", address, ether(wei)))
		}
	}
	return list
}

func (e exam) wei(ctx context.Context, address string) (*big.Int, error) {
	err := errors.New("there is no L1 to ask")
	for _, url := range e.L1 {
		var text string
		if err = e.rpc(ctx, url, "eth_getBalance", &text, address, "latest"); err != nil {
			continue
		}
		if wei, ok := new(big.Int).SetString(strings.TrimPrefix(text, "0x"), 16); ok {
			return wei, nil
		}
		err = fmt.Errorf("%s: its answer cannot be read", where(url))
	}
	return nil, err
}

func ether(wei *big.Int) string {
	eth, _ := new(big.Rat).SetFrac(wei, big.NewInt(1_000_000_000_000_000_000)).Float64()
	return fmt.Sprintf("%.4f", eth)
}
