package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// How far a clock may be off. A slot of Ethereum has 12 s, and peers refuse
// messages of half a second ahead (p2p gossip, MAXIMUM_GOSSIP_CLOCK_DISPARITY).
const (
	offBy    = 500 * time.Millisecond
	farOffBy = 2 * time.Second
	// aheadOfUs is how far a block of L1 may lie in the future: a clock that is
	// behind sees that even where no time server can be asked.
	aheadOfUs = 5 * time.Second
)

const setClock = "timedatectl set-ntp true, or apt install chrony"

func (e exam) clock(ctx context.Context) []Finding {
	var list []Finding
	synced, err := e.Clock.Synchronized()
	ahead, server, asked := e.Clock.Offset(ctx)
	off := ahead.Abs()
	words := map[bool]string{true: "ahead of", false: "behind"}[ahead > 0]
	switch {
	case asked == nil && off >= farOffBy:
		list = append(list, fail(setClock, "the clock is %s %s %s", off.Round(time.Millisecond), words, server))
	case asked == nil && off >= offBy:
		list = append(list, warn(setClock, "the clock is %s %s %s", off.Round(time.Millisecond), words, server))
	case asked == nil && err == nil && !synced:
		list = append(list, warn(setClock, "the clock is right by %s, and nothing keeps it so", server))
	case asked == nil:
		list = append(list, ok("the clock is %s %s %s", off.Round(time.Millisecond), words, server))
	case err != nil:
		list = append(list, warn(setClock, "whether the clock is right is not known: %v; %v", err, asked))
	case !synced:
		list = append(list, warn(setClock, "nothing keeps the clock right, and no time server could be asked: %v", asked))
	default:
		list = append(list, ok("the kernel's clock is synchronized; no time server could be asked"))
	}
	for _, url := range e.L1 {
		var newest block
		if e.rpc(ctx, url, "eth_getBlockByNumber", &newest, "latest", false) != nil {
			continue // told by another check
		}
		if behind := newest.time().Sub(e.Clock.Now()); behind > aheadOfUs && !e.Quiet {
			list = append(list, fail(setClock, "the newest block of %s was made %s from now: the clock is behind", where(url), behind.Round(time.Second)))
		}
		break
	}
	return list
}

// System is the clock of the running host.
type System struct {
	Servers []string // of SNTP, host:port, asked in turn
}

// Now is the time.
func (System) Now() time.Time { return time.Now() }

// Synchronized asks the kernel, which whoever keeps the clock tells
// (adjtimex(2), TIME_ERROR).
func (System) Synchronized() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, fmt.Errorf("asking the kernel about its clock: %w", err)
	}
	const timeError = 5
	return state != timeError, nil
}

// ntpEpoch is where NTP counts from (RFC 5905), in seconds before 1970.
const ntpEpoch = 2208988800

// Offset asks the first server that answers.
func (s System) Offset(ctx context.Context) (time.Duration, string, error) {
	err := errors.New("none is set")
	for _, server := range s.Servers {
		var ahead time.Duration
		if ahead, err = ask(ctx, server); err == nil {
			return ahead, server, nil
		}
	}
	return 0, "", err
}

// ask is one exchange of SNTP (RFC 4330).
func ask(ctx context.Context, server string) (time.Duration, error) {
	const timeout = 2 * time.Second
	conn, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "udp", server)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	packet := [48]byte{0x23} // version 4, client
	sent := time.Now()
	binary.BigEndian.PutUint64(packet[40:], stamp(sent))
	if _, err := conn.Write(packet[:]); err != nil {
		return 0, err
	}
	var answer [48]byte
	n, err := conn.Read(answer[:])
	received := time.Now()
	switch {
	case err != nil:
		return 0, err
	case n < len(answer) || answer[0]&7 != 4 || answer[1] == 0 || answer[1] > 15 || [8]byte(answer[24:32]) != [8]byte(packet[40:48]):
		return 0, errors.New(server + ": its answer is not that of a time server")
	}
	theirs := moment(answer[32:40]).Add(moment(answer[40:48]).Sub(moment(answer[32:40])) / 2)
	ours := sent.Add(received.Sub(sent) / 2)
	return ours.Sub(theirs), nil
}

func stamp(t time.Time) uint64 {
	return uint64(t.Unix()+ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/1_000_000_000
}

// moment reads a time stamp of NTP's first era, which ends in 2036.
func moment(b []byte) time.Time {
	v := binary.BigEndian.Uint64(b)
	return time.Unix(int64(v>>32)-ntpEpoch, int64(v&0xffffffff)*1_000_000_000>>32)
}
