package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// CredentialsError says that a file of credentials is not used, and how to make it usable.
type CredentialsError struct {
	Path    string
	Problem string // "it is open to others than its owner (mode 0644)"
	Fix     string // a command, or ""
}

func (e *CredentialsError) Error() string {
	return fmt.Sprintf("reading credentials from %s: %s", e.Path, e.Problem)
}

// keychain looks in the file first, and then wherever Docker or Podman keep credentials.
type keychain struct {
	file string
	rest authn.Keychain
}

func (k keychain) resolve(ctx context.Context, repo name.Repository) (authn.Authenticator, error) {
	auths, err := k.read()
	if err != nil {
		return nil, &failure{host: repo.RegistryStr(), err: fmt.Errorf("%w: %w", ErrUnauthorized, err)}
	}
	if cfg, ok := lookUp(auths, repo); ok {
		return authn.FromConfig(cfg), nil
	}
	rest := k.rest
	if rest == nil {
		rest = authn.DefaultKeychain
	}
	auth, err := authn.Resolve(ctx, rest, repo)
	if err != nil {
		return nil, &failure{host: repo.RegistryStr(), err: fmt.Errorf("%w: reading credentials: %w", ErrUnauthorized, clean(err))}
	}
	return auth, nil
}

// maxCredentials is far more than any such file has, in bytes.
const maxCredentials = 1 << 20

// read returns the credentials in the file by the names they are for. It is read each time, as what is in it expires.
func (k keychain) read() (map[string]authn.AuthConfig, error) {
	if k.file == "" {
		return nil, nil
	}
	bad := func(problem, fix string) (map[string]authn.AuthConfig, error) {
		return nil, &CredentialsError{Path: k.file, Problem: problem, Fix: fix}
	}
	// Not blocking, in case it is a pipe.
	f, err := os.OpenFile(k.file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return bad(errors.Unwrap(err).Error(), "")
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return bad(err.Error(), "")
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !st.Mode().IsRegular():
		return bad("it is not a regular file", "")
	case !ok || sys.Uid != 0 && int(sys.Uid) != os.Geteuid():
		return bad("it belongs to neither root nor the user who runs this", "chown root:root "+k.file)
	case st.Mode().Perm()&0o077 != 0:
		return bad(fmt.Sprintf("it is open to others than its owner (mode %04o)", st.Mode().Perm()), "chmod 600 "+k.file)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxCredentials+1))
	if err != nil {
		return bad(err.Error(), "")
	}
	var config struct {
		Auths map[string]authn.AuthConfig `json:"auths"`
	}
	// Errors of encoding/json quote what they do not like, which may be the password.
	if err := json.Unmarshal(raw, &config); err != nil || len(raw) > maxCredentials {
		return bad(`it is not JSON as in ~/.docker/config.json: {"auths": {"HOST": {"auth": "BASE64 OF USER:PASSWORD"}}}`, "")
	}
	return config.Auths, nil
}

// lookUp finds the entry for a repository: the one that names most of it. Docker writes hosts, in the past with https:// and a
// version; Podman also HOST/PATH (containers-auth.json(5)).
func lookUp(auths map[string]authn.AuthConfig, repo name.Repository) (best authn.AuthConfig, ok bool) {
	full := repo.RegistryStr() + "/" + repo.RepositoryStr()
	length := 0
	for key, cfg := range auths {
		key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
		key = strings.TrimRight(key, "/")
		key = strings.TrimSuffix(strings.TrimSuffix(key, "/v1"), "/v2")
		host, path, _ := strings.Cut(key, "/")
		if host == "docker.io" || host == "registry-1.docker.io" {
			host = name.DefaultRegistry
		}
		if path != "" {
			host += "/" + path
		}
		usable := cmp.Or(cfg.Password, cfg.Auth, cfg.IdentityToken, cfg.RegistryToken) != ""
		if usable && len(host) > length && (full == host || strings.HasPrefix(full, host+"/")) {
			best, ok, length = cfg, true, len(host)
		}
	}
	return best, ok
}
