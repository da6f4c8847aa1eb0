package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/journal"
)

// part is one file of a report.
type part struct {
	name, about string
	hashes      bool // it has many 64 digits that are no keys, and that people look for
	collect     func(ctx context.Context, w io.Writer) error
}

// maxPart bounds one file of a report, in bytes.
const maxPart = 16 << 20

func (a *app) reportCommand() *cobra.Command {
	var since, output string
	cmd := &cobra.Command{
		Use:   "report NAME",
		Short: "Collect what others need to help, without secrets",
		Long: `Collect what people who are asked for help need to know of an instance, in one
archive: versions, what doctor says, host, unit, settings, the last rolls with
their evidence, the errors of the node, and its journal.

What will be in it is listed first. Keys, passwords, webhooks, and whatever of a
URL is more than its host are taken out: what is known to be secret of all
instances of this host, and what has the form of a key. Values of variables that
this program does not know are left out. Where a file of secrets cannot be
decrypted, that is said, and all that looks like a key is taken out of the
journal, too, hashes among it. Look at it before you send it.`,
		Example: `  aztec-spartan report val1
  aztec-spartan report val1 --since '3 hours ago' --output /tmp/report.tar.gz`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("report", false); err != nil {
				return err
			}
			return a.writeReport(cmd.Context(), args[0], since, output)
		},
	}
	cmd.Flags().StringVar(&since, "since", "24 hours ago", "`TIME` where the journal begins, as journalctl takes it")
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write (default: aztec-report-NAME-TIME.tar.gz here)")
	return cmd
}

func (a *app) writeReport(ctx context.Context, name, since, output string) error {
	inst, err := a.loadInstance(name)
	if err != nil {
		return err
	}
	if a.live() {
		// Else the journal lacks, and says why: that must not keep the rest.
		err := journal.CheckTime(ctx, since)
		if _, wrong := errors.AsType[*journal.QueryError](err); wrong {
			return askedOfJournal(err)
		}
	}
	now := time.Now()
	if output == "" {
		output = fmt.Sprintf("aztec-report-%s-%s.tar.gz", name, now.UTC().Format("20060102T150405Z"))
	}
	if output, err = filepath.Abs(output); err != nil {
		return usage(err)
	}
	if exists(output) {
		return withHint(usage(fmt.Errorf("reporting %s: %s is there already", name, output)), "another name: --output FILE")
	}
	hidden, lost, err := a.hostSecrets(ctx)
	if err != nil {
		return withHint(fmt.Errorf("reporting %s: what is secret cannot be told, so nothing is collected: %w", name, err), "aztec-spartan doctor shows what is broken")
	}
	parts := a.reportParts(inst, since)
	var contents bytes.Buffer
	for _, p := range parts {
		fmt.Fprintf(&contents, "%-22s %s\n", p.name, p.about)
	}
	a.note("the report has:\n%s", contents.String())
	if len(lost) > 0 {
		for i := range parts {
			parts[i].hashes = false
		}
		for _, err := range lost {
			fmt.Fprintf(&contents, "\nwarning: %v\n", err)
		}
		fmt.Fprintf(&contents, "\n%s\n", lostWords)
		for _, err := range lost {
			a.note("warning: %v", err)
		}
		a.note("%s", lostWords)
	}
	data, err := a.pack(ctx, parts, contents.Bytes(), hidden, fmt.Sprintf("aztec-report-%s/", name), now)
	if err != nil {
		return fmt.Errorf("reporting %s: %w", name, err)
	}
	if err := atomicfile.Write(output, data, 0o600); err != nil {
		return fmt.Errorf("reporting %s: %w", name, err)
	}
	if a.json {
		return a.printJSON(map[string]any{"name": name, "file": output, "bytes": len(data)})
	}
	a.print("%s", output)
	sudo := "" // the file is root's alone
	if os.Getenv("SUDO_USER") != "" {
		sudo = "sudo "
	}
	a.note("look at it before you send it: %star -xzOf %s | less", sudo, output)
	a.note("and say with it what you were doing when it began, and, if you know, how to get there again")
	return nil
}

// lostWords say what a report lacks where files of secrets cannot be decrypted.
const lostWords = "What is secret in them cannot be told. So all that looks like a key is left out, hashes and transactions too;\nlook for passwords and mnemonics yourself."

// pack collects the parts, less what is hidden. One that cannot be had says why
// in its place.
func (a *app) pack(ctx context.Context, parts []part, contents []byte, hidden redact.Words, dir string, now time.Time) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	add := func(name string, data []byte) error {
		h := &tar.Header{Name: dir + name, Mode: 0o600, Size: int64(len(data)), ModTime: now, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(h); err != nil {
			return err
		}
		_, err := archive.Write(data)
		return err
	}
	if err := add("CONTENTS", contents); err != nil {
		return nil, err
	}
	for _, p := range parts {
		var raw bounded
		if err := p.collect(ctx, &raw); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			fmt.Fprintf(&raw, "\n(not all of it: %v)\n", err)
		}
		if err := add(p.name, clean(raw.Bytes(), hidden, p.hashes)); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// clean takes secrets out of a text: known ones first, as URLs that lost a part
// are known no more.
func clean(raw []byte, hidden redact.Words, hashes bool) []byte {
	text := redact.URLs(hidden.Text(string(raw)))
	if !hashes {
		text = redact.Keys(text)
	}
	return []byte(text)
}

// bounded is a buffer that takes no more than maxPart.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxPart - b.Len(); len(p) > room {
		b.Buffer.Write(p[:max(room, 0)])
		return 0, fmt.Errorf("it has more than %d MiB", maxPart>>20)
	}
	return b.Buffer.Write(p)
}

// copyFile is a part that is a file of the host.
func (a *app) copyFile(path string) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		f, err := os.Open(a.path(path))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}
}
