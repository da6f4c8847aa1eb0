package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

const unit = "aztec-sequencer@val1.service"

// maxExposure is what systemd-analyze security may say of the unit.
const maxExposure = 1.2

func (d *demo) install(*realimage.Set) error {
	if _, err := d.run("aztec-spartan version; . /etc/os-release; echo $PRETTY_NAME; systemctl --version | head -1"); err != nil {
		return err
	}
	_, err := d.run("systemctl list-units --no-legend 'aztec-*@*' | wc -l   # installing started nothing")
	return err
}

func (d *demo) config(set *realimage.Set) error {
	d.scene("A sequencer is configured: its image is pulled, verified and unpacked; its unit is written")
	if _, err := d.Must(d.ctx, "umask 077; echo "+realimage.DevKey+" >/root/key"); err != nil {
		return err
	}
	began := time.Now()
	_, err := d.run("aztec-spartan config val1 --key-file /root/key \\\n    " + strings.Join(stage.ConfigFlags(set, "val1"), " \\\n    "))
	d.fact("config with pull and unpack: %.1f s", time.Since(began).Seconds())
	return err
}

func (d *demo) start(set *realimage.Set) error {
	d.scene("It starts")
	if _, err := d.run("aztec-spartan start val1"); err != nil {
		return err
	}
	if _, err := d.run("aztec-spartan logs val1 -n 8"); err != nil {
		return err
	}
	out, err := d.run("systemctl is-active " + unit)
	if err != nil {
		return err
	}
	d.fact("the unit: %s", out)
	// On a busy machine it runs for a while before its port is open.
	err = testhost.Wait(d.ctx, "the node to answer", func() (bool, error) {
		r, err := d.Sh(d.ctx, "aztec-spartan probe val1")
		return err == nil && r.Code == 0, err
	})
	if err != nil {
		return err
	}
	if out, err = d.run("curl -sf --retry 30 --retry-delay 1 --retry-connrefused -o /dev/null -w '/status %{http_code}\\n' http://127.0.0.1:8080/status"); err != nil {
		return err
	}
	d.fact("%s", out)
	return d.asks(set.Tags[0])
}

func (d *demo) publish(set *realimage.Set) error {
	d.scene("It publishes checkpoints to L1")
	before, err := d.Checkpoint(d.ctx, set)
	if err != nil {
		return err
	}
	began := time.Now()
	err = testhost.Wait(d.ctx, "a checkpoint on L1", func() (bool, error) {
		n, err := d.Checkpoint(d.ctx, set)
		return n > before, err
	})
	if err != nil {
		return err
	}
	// The node logs it once it has the receipt.
	logged := "aztec-spartan logs val1 -n 3 -g 'Published checkpoint'"
	err = testhost.Wait(d.ctx, "the node to log it", func() (bool, error) {
		out, err := d.Must(d.ctx, logged)
		return out != "", err
	})
	if err != nil {
		return err
	}
	if _, err := d.run(logged); err != nil {
		return err
	}
	n, err := d.Checkpoint(d.ctx, set)
	fmt.Fprintf(d.out, "  L1's rollup contract has checkpoint %d (after %.0f s here)\n", n, time.Since(began).Seconds())
	d.fact("checkpoints on L1 so far: %d", n)
	return err
}

func (d *demo) judge(*realimage.Set) error {
	d.scene("What it is on this host")
	if _, err := d.run("aztec-spartan status val1"); err != nil {
		return err
	}
	out, err := d.run("systemd-analyze security --no-pager " + unit + " | tail -1")
	if err != nil {
		return err
	}
	score, err := strconv.ParseFloat(regexp.MustCompile(`\d+\.\d`).FindString(out), 64)
	if err != nil || score > maxExposure {
		return fmt.Errorf("the exposure is %q, more than %.1f", out, maxExposure)
	}
	d.fact("systemd-analyze security: %.1f", score)
	out, err = d.run("ps -o rss=,args= -p $(systemctl show -P MainPID " + unit + ") | awk '{printf \"%d MiB %s\\n\", $1/1024, $2}'")
	if err != nil {
		return err
	}
	d.fact("the node's memory: %s", out)
	out, err = d.run("pgrep -a aztec-spartan || echo 'no process of aztec-spartan runs: 0 B beside the node'")
	if err == nil && !strings.HasPrefix(out, "no process") {
		err = fmt.Errorf("beside the node runs %s", out)
	}
	d.fact("%s", out)
	return err
}

// unattended lets the timer do it. It would fire once an hour; here a drop-in
// has it fire every ten seconds.
func (d *demo) unattended(set *realimage.Set) error {
	d.scene("It is updated to %s, which shares three of four layers, by the timer: nobody types", set.Tags[1])
	if _, err := d.run("aztec-spartan pin val1 " + set.Tags[1] + "   # a test build: else no channel has it"); err != nil {
		return err
	}
	if _, err := d.run("aztec-spartan update val1 --check"); err != nil {
		return err
	}
	if _, err := d.run("aztec-spartan auto-update enable"); err != nil {
		return err
	}
	const dropIn = "/etc/systemd/system/aztec-update.timer.d"
	_, err := d.run(`mkdir ` + dropIn + ` && printf '[Timer]\nOnCalendar=*:*:0/10\nRandomizedDelaySec=0\nAccuracySec=1\n' >` + dropIn + `/demo.conf && systemctl daemon-reload   # ten seconds for an hour`)
	if err != nil {
		return err
	}
	began := time.Now()
	err = testhost.Wait(d.ctx, "the timer to update it", func() (bool, error) {
		out, err := d.Must(d.ctx, "aztec-spartan status val1 --json | jq -r '.[0] | select(.roll == \"\") | .version'")
		return strings.TrimSpace(out) == set.Tags[1], err
	})
	if err != nil {
		return err
	}
	if _, err := d.run("journalctl --no-pager -o cat -u aztec-update.service -u aztec-roll@val1.service | tail -20"); err != nil {
		return err
	}
	d.fact("updated by the timer %.0f s after it was told to fire", time.Since(began).Seconds())
	if _, err := d.run("aztec-spartan auto-update disable && rm -r " + dropIn + " && systemctl daemon-reload"); err != nil {
		return err
	}
	return d.rolled(set.Tags[1])
}

func (d *demo) update(set *realimage.Set) error {
	d.scene("The registry is back, and it is updated by hand to the version that the rollback left")
	if err := d.StartRegistry(); err != nil {
		return err
	}
	return d.roll("aztec-spartan update val1 --to "+set.Tags[1], set.Tags[1])
}

func (d *demo) rollback(set *realimage.Set) error {
	d.scene("It is rolled back, with the registry away")
	if err := d.StopRegistry(); err != nil {
		return err
	}
	return d.roll("aztec-spartan rollback val1", set.Tags[0])
}

// roll runs a roll.
func (d *demo) roll(command, version string) error {
	if _, err := d.run(command); err != nil {
		return err
	}
	return d.rolled(version)
}

// rolled asks the node itself what it is after a roll.
func (d *demo) rolled(version string) error {
	if err := d.asks(version); err != nil {
		return err
	}
	down, err := d.Must(d.ctx, "aztec-spartan status val1 --json | jq -r '.[0].last_roll | \"\\(.kind) \\(.from) -> \\(.to): \\(.result), down for \\(.downtime_seconds * 10 | round / 10) s\"'")
	d.fact("%s", strings.TrimSpace(down))
	return err
}

// asks has the node itself say which version it is.
func (d *demo) asks(version string) error {
	answer, err := d.RPC(d.ctx, 8080, "node_getNodeVersion")
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "  the node over RPC: %s\n", answer)
	if !strings.Contains(answer, `"`+version+`"`) {
		return fmt.Errorf("the node does not say that it is %s", version)
	}
	d.fact("the node over RPC: %s", version)
	return nil
}

func (d *demo) stop(*realimage.Set) error {
	d.scene("It is stopped")
	if _, err := d.run("aztec-spartan stop val1"); err != nil {
		return err
	}
	out, err := d.run("systemctl show -P Result " + unit)
	if err == nil && out != "success" {
		err = errors.New("systemd takes the stop for a failure")
	}
	return err
}
