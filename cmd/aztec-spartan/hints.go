package main

import (
	"errors"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

// hintFor says what to do about errors that have a usual remedy.
func hintFor(err error) string {
	var credentials *extract.CredentialsError
	switch {
	case errors.Is(err, extract.ErrReference):
		return "a reference is REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:..., or a version such as 4.1.2"
	case errors.Is(err, extract.ErrUnknown):
		return "aztec-spartan versions lists what the registry offers"
	case errors.As(err, &credentials):
		return "it must be root's alone, and like ~/.docker/config.json: chown root:root " + credentialsFile + " && chmod 600 " + credentialsFile
	case errors.Is(err, extract.ErrUnauthorized):
		return "is the name right? credentials are read from " + credentialsFile + " and ~/.docker/config.json of the user who runs this"
	case errors.Is(err, extract.ErrUnreachable):
		return "is the registry up, and reachable from this host? HTTPS_PROXY, and mirrors in " + configFile + ", are other ways"
	case errors.Is(err, extract.ErrDigest):
		return "the registry sent something else than was asked for; nothing was kept: try again, or another registry"
	case errors.Is(err, extract.ErrNoPlatform):
		return "--platform chooses another one"
	case errors.Is(err, extract.ErrSpace):
		return "aztec-spartan gc frees what no instance needs; [store] reserve in " + configFile + " is what must stay free"
	case errors.Is(err, extract.ErrIncomplete):
		return "save all of it: docker save --platform OS/ARCH, or skopeo copy docker://REF oci-archive:FILE"
	case errors.Is(err, extract.ErrRecord):
		return "once no instance needs it, aztec-spartan gc removes it and aztec-spartan pull unpacks it again"
	case errors.Is(err, extract.ErrSchema):
		return "use the newer aztec-spartan that wrote it"
	case codeOf(err) == exitLocked:
		return "wait for it to finish, or look at it with ps"
	}
	return ""
}
