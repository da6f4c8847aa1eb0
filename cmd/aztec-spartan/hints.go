package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
)

// hintFor says what to do about errors that have a usual remedy.
func hintFor(err error) string {
	if errors.Is(err, context.Canceled) {
		return "" // whoever interrupts knows what to do
	}
	if none, ok := errors.AsType[*extract.NoPlatformError](err); ok {
		return platformHint(none)
	}
	if record, ok := errors.AsType[*extract.RecordError](err); ok {
		return recordHint(record)
	}
	if _, ok := errors.AsType[*extract.AuthoritiesError](err); ok {
		return "[registry] ca_file in " + configFile + " names a file of PEM certificates (-----BEGIN CERTIFICATE-----); without it the system's are trusted"
	}
	if _, ok := errors.AsType[*extract.CredentialsError](err); ok {
		return "it must be root's alone, and like ~/.docker/config.json: chown root:root " + credentialsFile + " && chmod 600 " + credentialsFile
	}
	switch {
	case errors.Is(err, extract.ErrReference):
		return "a reference is REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:..., or a version such as 4.1.2"
	case errors.Is(err, extract.ErrPlatform):
		return "a platform is os/arch or os/arch/variant, such as linux/amd64 or linux/arm64"
	case errors.Is(err, extract.ErrUnknown):
		return "aztec-spartan versions lists what the registry offers"
	case errors.Is(err, extract.ErrUnauthorized):
		return "is the name right? credentials are looked for in " + credentialsFile +
			", then in ~/.docker/config.json or $DOCKER_CONFIG, then in podman's auth.json or $REGISTRY_AUTH_FILE, of the user who runs this: with sudo, of root"
	case errors.Is(err, extract.ErrUnreachable):
		return "is the registry up, and reachable from this host? HTTPS_PROXY, and mirrors in " + configFile + ", are other ways"
	case errors.Is(err, extract.ErrDigest):
		return "the registry sent something else than was asked for; nothing was kept: try again, or another registry"
	case errors.Is(err, extract.ErrSpace):
		return "aztec-spartan gc frees what no instance needs; [store] reserve in " + configFile + " is what must stay free"
	case errors.Is(err, unix.EROFS):
		return "the file system is read-only: mount says since when it is meant to be, and journalctl -k whether the disk failed; mount -o remount,rw makes it writable"
	case errors.Is(err, extract.ErrIncomplete):
		return "save all of it: docker save --platform OS/ARCH, or skopeo copy docker://REF oci-archive:FILE"
	case errors.Is(err, extract.ErrRecord):
		return "aztec-spartan verify --repair fetches that layer again, and records what is in it"
	case errors.Is(err, units.ErrOldSystemd):
		return "upgrade the distribution: Debian 11, Ubuntu 22.04 or newer have it"
	case errors.Is(err, extract.ErrSchema):
		return "use the newer aztec-spartan that wrote it"
	case rolling(err) != "":
		// Not stop, after which the node is down, and disabled.
		return fmt.Sprintf("aztec-spartan logs -f %s follows its roll, and systemctl stop %s takes it back", rolling(err), rollUnit(rolling(err)))
	case codeOf(err) == exitLocked:
		return "wait for it to finish, or look at it with ps"
	}
	return ""
}

func platformHint(none *extract.NoPlatformError) string {
	if len(none.Have) == 0 {
		return "nothing in it says what it is for; aztec-spartan versions lists other tags"
	}
	return "pull and load take another one with --platform " + strings.Join(none.Have, " or --platform ")
}

// recordHint is what brings a file of the store back.
func recordHint(record *extract.RecordError) string {
	switch {
	case record.ID != "":
		ref := record.Reference
		if ref == "" {
			ref = "REPOSITORY@" + record.Digest()
		}
		return fmt.Sprintf("aztec-spartan pull %s writes it again, and leaves alone what runs from it", ref)
	case filepath.Base(record.Path) == "tags.json":
		return fmt.Sprintf("rm %s forgets what tags meant when they were seen last, and nothing else", record.Path)
	}
	return fmt.Sprintf("it says only which form the store has: if no newer aztec-spartan was ever used here, rm %s, and it is made again", record.Path)
}

// rolling is the instance whose lock a roll holds, "" if that is not what is
// in the way.
func rolling(err error) string {
	held, ok := errors.AsType[*lock.HeldError](err)
	if !ok || !strings.HasPrefix(held.Holder, "roll ") {
		return ""
	}
	return held.Name
}
