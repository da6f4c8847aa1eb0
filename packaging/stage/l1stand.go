package stage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// BeaconPort is where hosts find the beacon node of StandInForChain.
const BeaconPort = 5052

// StandInForL1 answers what is asked of an L1, that of local networks, for hosts
// whose nodes are stubs and need none. It runs until Close, or TakeL1Away.
func (s *Stage) StandInForL1() error { return s.standIn(L1Port, localChain) }

// StandInForChain is StandInForL1 for another chain, with a beacon node.
func (s *Stage) StandInForChain(id uint64) error {
	for _, port := range []int{L1Port, BeaconPort} {
		if err := s.standIn(port, id); err != nil {
			return err
		}
	}
	return nil
}

const localChain = 31337

func (s *Stage) standIn(port int, chain uint64) error {
	l, err := s.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("standing in for L1: %w", err)
	}
	server := &http.Server{Handler: standIn(chain), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	end := sync.OnceValue(func() error {
		err := server.Close()
		<-served
		return err
	})
	s.standsIn, s.closers = append(s.standsIn, end), append(s.closers, end)
	return nil
}

// TakeL1Away ends what stands in for L1.
func (s *Stage) TakeL1Away() error {
	var err error
	for _, end := range s.standsIn {
		err = errors.Join(err, end())
	}
	s.standsIn = nil
	return err
}

// beacon is what a beacon node says that has all blobs, by the paths of its API.
var beacon = map[string]string{
	"/eth/v1/node/syncing":  `{"data":{"is_syncing":false,"sync_distance":"0","el_offline":false}}`,
	"/eth/v1/node/identity": `{"data":{"metadata":{"custody_group_count":"128"}}}`,
}

type standIn uint64

func (chain standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if text, ok := beacon[r.URL.Path]; ok {
		_, _ = io.WriteString(w, text)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/eth/v1/beacon/blobs/") {
		_, _ = io.WriteString(w, `{"data":[]}`)
		return
	}
	if r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	var call struct{ Method string }
	result := "null"
	if json.NewDecoder(r.Body).Decode(&call) == nil {
		switch call.Method {
		case "eth_chainId":
			result = fmt.Sprintf(`"0x%x"`, uint64(chain))
		case "eth_syncing":
			result = "false"
		case "eth_getBalance":
			result = `"0xde0b6b3a7640000"` // one ether
		case "eth_getTransactionCount":
			result = `"0x5"`
		case "eth_getBlockByNumber":
			result = fmt.Sprintf(`{"number":"0x1","timestamp":"0x%x","transactions":[]}`, time.Now().Unix())
		}
	}
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":`+result+`}`)
}
