package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var hashForm = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// adminKey decides what opens the admin port, as resolveAdminApiKey of 4.1.2
// does: nothing if switched off, a hash from the environment, the hash kept in
// admin/api_key_hash, or a new key that is shown once on stdout. It returns the
// SHA-256 of the key in lower-case hex, nil for an open port.
func (c *cli) adminKey(opts options, data *store) (*string, error) {
	disabled, _ := c.env("AZTEC_DISABLE_ADMIN_API_KEY")
	if opts.has("disable-admin-api-key") || truthy(disabled) {
		c.log.log("warn", "cli", "Admin API key authentication is DISABLED (--disable-admin-api-key / AZTEC_DISABLE_ADMIN_API_KEY)")
		return nil, nil
	}
	if hash := strings.TrimSpace(c.setting(opts, "admin-api-key-hash", "AZTEC_ADMIN_API_KEY_HASH")); hash != "" {
		if !hashForm.MatchString(hash) {
			return nil, fatal(fmt.Sprintf("Invalid admin API key hash: expected 64-char hex string, got %q", hash))
		}
		c.log.log("info", "cli", "Admin API key authentication enabled (using pre-configured key hash)")
		hash = strings.ToLower(hash)
		return &hash, nil
	}
	file := filepath.Join(data.dir, "admin", "api_key_hash")
	if b, err := os.ReadFile(file); data.dir != "" && err == nil && hashForm.Match(b) && !opts.has("reset-admin-api-key") {
		c.log.log("info", "cli", "Admin API key authentication enabled (loaded stored key hash from disk)")
		hash := string(b)
		return &hash, nil
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return nil, fmt.Errorf("making an admin key: %w", err)
	}
	key := hex.EncodeToString(raw)
	hash := hashOf(key)
	if data.dir != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, fmt.Errorf("keeping the admin key: %w", err)
		}
		if err := os.WriteFile(file, []byte(hash), 0o600); err != nil {
			return nil, fmt.Errorf("keeping the admin key: %w", err)
		}
	}
	c.show(key, data.dir != "")
	c.log.log("info", "cli", "Admin API key authentication enabled (new key generated and hash persisted to disk)")
	return &hash, nil
}

// show prints a new key in the words of 4.1.2.
func (c *cli) show(key string, kept bool) {
	bar := strings.Repeat("=", 70)
	fmt.Fprintf(c.stdout, "\n%s\n  ADMIN API KEY (save this — it will NOT be shown again)\n\n  %s\n\n  Use via header:  x-api-key: <key>\n  Or via header:   Authorization: Bearer <key>\n", bar, key)
	if kept {
		fmt.Fprint(c.stdout, "\n  The key hash has been persisted — on next restart, the same key will be used.\n")
	}
	fmt.Fprintf(c.stdout, "\n  To disable admin auth: --disable-admin-api-key or AZTEC_DISABLE_ADMIN_API_KEY=true\n%s\n\n", bar)
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
