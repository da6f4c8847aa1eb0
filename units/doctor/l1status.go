package doctor

import (
	"context"
	"errors"
	"math/big"
	"net/http"
	"time"
)

// L1 asks execution nodes what people want to see of L1: the first that
// answers. No error has more of a URL in it than its host.
type L1 struct {
	Client *http.Client
	URLs   []string
}

func (l L1) exam() exam { return exam{Host: Host{Client: l.Client}, Node: Node{L1: l.URLs}} }

// Newest is the number and the time of the newest block.
func (l L1) Newest(ctx context.Context) (number uint64, at time.Time, err error) {
	err = errors.New("there is no L1 to ask")
	for _, url := range l.URLs {
		var newest block
		if err = l.exam().rpc(ctx, url, "eth_getBlockByNumber", &newest, "latest", false); err == nil {
			return uint64(newest.Number), newest.time().UTC(), nil
		}
	}
	return 0, time.Time{}, err
}

// Balance is what an address has, in wei.
func (l L1) Balance(ctx context.Context, address string) (*big.Int, error) {
	return l.exam().wei(ctx, address)
}

// Nonce is how many transactions an address has sent.
func (l L1) Nonce(ctx context.Context, address string) (uint64, error) {
	err := errors.New("there is no L1 to ask")
	for _, url := range l.URLs {
		var n quantity
		if err = l.exam().rpc(ctx, url, "eth_getTransactionCount", &n, address, "latest"); err == nil {
			return uint64(n), nil
		}
	}
	return 0, err
}

// Ether is a number of wei in ETH, with four digits after the point.
func Ether(wei *big.Int) string { return ether(wei) }
