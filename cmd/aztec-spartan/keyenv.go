package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// envKey is a private key in a variable of our environment.
type envKey struct{ name, value string }

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// takeKeys moves private keys out of our environment before any program is
// started, which would inherit them: systemd-creds, docker, helpers for
// credentials of registries. What a flag names is only shown if it cannot be
// the key itself.
func takeKeys(keys ...*envKey) error {
	for _, k := range keys {
		if k.name == "" {
			continue
		}
		if _, err := keystore.ParseKey(k.name); err == nil || !variableName.MatchString(k.name) {
			return withHint(usage(errors.New("--key-env wants the name of a variable")), "--key-env AZTEC_KEY reads $AZTEC_KEY")
		}
		if k.value = os.Getenv(k.name); k.value == "" {
			return withHint(usage(fmt.Errorf("reading the key: the variable %s is not set", k.name)), "sudo keeps no variables: sudo --preserve-env=%s aztec-spartan ...", k.name)
		}
	}
	for _, k := range keys {
		if err := os.Unsetenv(k.name); k.name != "" && err != nil {
			return err
		}
	}
	return nil
}
