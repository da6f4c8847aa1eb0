package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Command runs a program with the event on its standard input. A code other
// than 0 is tried again.
type Command struct{ Argv []string }

// Send implements Sender.
func (c Command) Send(ctx context.Context, e Event) error {
	if len(c.Argv) == 0 {
		return fmt.Errorf("the command of [notify]: %w: it is empty", ErrRefused)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*sendTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Stdin = bytes.NewReader(append(data, '\n'))
	cmd.Env = append(os.Environ(), "AZTEC_SPARTAN_EVENT="+string(e.Kind), "AZTEC_SPARTAN_INSTANCE="+e.Instance, "AZTEC_SPARTAN_TEXT="+e.Line())
	cmd.WaitDelay = time.Second // of what it left behind with its output open
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("running %s: %w: %.200s", c.Argv[0], err, said)
}
