package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/charmbracelet/huh"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// form asks questions on the terminal, one at a time: what is typed or pasted
// ahead cannot land in another field. Answers never reach a log; secrets are
// not echoed.
func (a *app) form(ctx context.Context, fields ...huh.Field) error {
	var groups []*huh.Group
	for _, f := range fields {
		groups = append(groups, huh.NewGroup(f))
	}
	f := huh.NewForm(groups...).WithInput(a.in).WithOutput(a.err).
		WithAccessible(os.Getenv("TERM") == "dumb" || os.Getenv("ACCESSIBLE") != "")
	err := f.RunWithContext(ctx)
	if errors.Is(err, huh.ErrUserAborted) {
		return fmt.Errorf("config: cancelled, nothing was changed")
	}
	return err
}

func (a *app) promptName(ctx context.Context) (string, error) {
	name := "val1"
	err := a.form(ctx, huh.NewInput().Title("Name of the instance").Value(&name).Validate(profiles.ValidName))
	return name, err
}

// promptInstance asks for what a new instance needs and the flags do not say.
func (a *app) promptInstance(ctx context.Context, inst *profiles.Instance, f *configFlags, sec secrets) error {
	if err := a.promptVersion(ctx, inst, f); err != nil {
		return err
	}
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	network, err := catalog.Network(inst.Network)
	if err != nil {
		return usage(err)
	}
	var fields []huh.Field
	ask := func(flag, title, description string, value *string, check func(string) error) {
		if !f.changed(flag) {
			fields = append(fields, huh.NewInput().Title(title).Description(description).Value(value).Validate(check))
		}
	}
	rpc, consensus := strings.Join(inst.L1.RPC, ","), strings.Join(inst.L1.Consensus, ",")
	ask("ethereum-host", "L1 execution node", "URL; several with commas", &rpc, profiles.ValidURLs)
	if network.Consensus {
		ask("l1-consensus-host-url", "L1 beacon node", "URL; several with commas", &consensus, profiles.ValidURLs)
	}
	chainID := ""
	if network.L1ChainID == 0 {
		ask("l1-chain-id", "Chain ID of L1", "a number", &chainID, func(s string) error {
			_, err := strconv.ParseUint(s, 10, 64)
			return err
		})
	}
	if catalog.P2PEnabled(*inst) {
		ask("ip", "Public IP address", "at which peers reach this node", &inst.P2P.IP, profiles.ValidIP)
	}
	if sec.keystore == nil && f.key == "" && f.keyFile == "" {
		fields = append(fields, huh.NewInput().Title("Private key of the attester").Description("0x and 64 digits; not echoed").
			EchoMode(huh.EchoModePassword).Value(&f.typedKey).Validate(func(s string) error {
			_, err := keystore.ParseKey(s)
			return err
		}))
	}
	if len(fields) == 0 {
		return nil
	}
	if err := a.form(ctx, fields...); err != nil {
		return err
	}
	if !f.changed("ethereum-host") {
		inst.L1.RPC = splitList(rpc)
	}
	if chainID != "" {
		if inst.L1.ChainID, err = strconv.ParseUint(chainID, 10, 64); err != nil {
			return usage(err)
		}
	}
	if network.Consensus && !f.changed("l1-consensus-host-url") {
		inst.L1.Consensus = splitList(consensus)
	}
	return nil
}

// promptVersion asks for what decides which other questions there are.
func (a *app) promptVersion(ctx context.Context, inst *profiles.Instance, f *configFlags) error {
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	var fields []huh.Field
	if !f.changed("network") {
		var options []huh.Option[string]
		for _, n := range catalog.Networks() {
			options = append(options, huh.NewOption(n.Name+": "+n.Description, n.Name))
		}
		inst.Network = "mainnet"
		fields = append(fields, huh.NewSelect[string]().Title("Network").Options(options...).Value(&inst.Network))
	}
	if !f.changed("image") && !f.changed("version") {
		fields = append(fields, huh.NewInput().Title("Version").Description("such as 4.1.2, or a whole image reference").Value(&inst.Image).Validate(notEmpty))
	}
	if len(fields) == 0 {
		return nil
	}
	return a.form(ctx, fields...)
}

func notEmpty(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("must not be empty")
	}
	return nil
}

func splitList(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
