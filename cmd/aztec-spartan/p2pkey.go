package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	versions "github.com/hashicorp/go-version"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
)

const (
	p2pKeyFile     = "p2p-private-key"
	p2pKeyVariable = "PEER_ID_PRIVATE_KEY"
	p2pKeyPath     = p2pKeyVariable + "_PATH"

	// secp256k1Key is what libp2p puts before the 32 bytes of such a key
	// (libp2p specs, peer-ids.md, "Keys": a protobuf of Type 2 and Data).
	secp256k1Key = "08021220"
	maxKeyFile   = 4096 // bytes
)

// parseP2PKey reads a key as the node's generate-p2p-private-key prints it, or
// the 32 bytes alone. No error holds anything of it.
func parseP2PKey(text string) (string, error) {
	key := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(text), "0x"))
	if len(key) == 64 {
		key = secp256k1Key + key
	}
	raw, err := hex.DecodeString(key)
	if err != nil || len(raw) != 36 || !strings.HasPrefix(key, secp256k1Key) || strings.Trim(key[8:], "0") == "" {
		return "", errors.New("not a key of libp2p: " + secp256k1Key + " and 64 hexadecimal digits, as the image's generate-p2p-private-key prints it")
	}
	return key, nil
}

// givenP2PKey takes the key that --p2p-id-private-key gives: a file, or itself.
func (a *app) givenP2PKey(sec *secrets, f configFlags) error {
	if !f.changed("p2p-id-private-key") {
		return nil
	}
	key, err := parseP2PKey(f.p2pKey)
	if err == nil {
		a.note("warning: a key on the command line stays in the shell's history and is visible in ps; a file does not")
	} else {
		file, ferr := os.Open(f.p2pKey)
		if ferr != nil {
			// What was meant as a key may be in the error of a file.
			return withHint(usage(errors.New("--p2p-id-private-key: neither a file that can be read nor a key")), "%v", err)
		}
		defer file.Close()
		data := make([]byte, maxKeyFile)
		n, _ := file.Read(data)
		if key, err = parseP2PKey(string(data[:n])); err != nil {
			return usage(fmt.Errorf("reading %s: %w", f.p2pKey, err))
		}
	}
	if key != sec.p2pKey {
		sec.p2pKey, sec.newP2P = key, true
	}
	return nil
}

func (a *app) loadP2PKey(name string, s *secrets) error {
	data, err := os.ReadFile(a.path(instancePath(name, p2pKeyFile)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the P2P key of %s: %w", name, err)
	}
	if s.p2pKey, err = parseP2PKey(string(data)); err != nil {
		return usage(fmt.Errorf("reading %s: %w", instancePath(name, p2pKeyFile), err))
	}
	return nil
}

// ownP2PKeys are the keys that the node of an instance made itself, wherever
// its data lie. The node's user can write there.
func (a *app) ownP2PKeys(name string) ([]string, error) {
	var keys []string
	for _, dir := range append(a.dataElsewhere(name), filepath.Join(dataRoot, name)) {
		key, err := readRegular(a.path(dir), p2pKeyFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return keys, fmt.Errorf("reading the P2P key in the data of %s: %w", name, err)
		}
		keys = append(keys, strings.TrimSpace(string(key)))
	}
	return keys, nil
}

// readRegular reads a small file of a directory that others write to. It follows
// nothing out of it, and waits for no pipe.
func readRegular(dir, file string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrNotExist)
	}
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

// p2pCredential hands the key over as a file to versions that take one. Others
// get it in the environment file that root alone reads.
func p2pCredential(catalog profiles.Catalog, img profiles.ImageFacts, name string) (units.Credential, bool) {
	takes := img.Known.Lists(p2pKeyPath)
	if img.Known.Len() == 0 {
		v, _ := catalog.Variable(p2pKeyPath)
		since, err := versions.NewVersion(v.Since)
		is, err2 := profiles.ParseVersion(img.Version)
		takes = err != nil || err2 != nil || is.Core().GreaterThanOrEqual(since)
	}
	return units.Credential{Name: p2pKeyFile, Source: instancePath(name, p2pKeyFile), Variable: p2pKeyPath}, takes
}
