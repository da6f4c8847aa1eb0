package extract

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// platform is "os/architecture[/variant]", as in the `platform` of an OCI image index.
type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// parsePlatform parses s; "" means this machine's. The error wraps ErrPlatform.
func parsePlatform(s string) (platform, error) {
	if s == "" {
		return platform{OS: "linux", Architecture: runtime.GOARCH}, nil
	}
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return platform{}, fmt.Errorf("%w: %s is not OS/ARCHITECTURE[/VARIANT]", ErrPlatform, oneLine(s))
	}
	p := platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

func (p platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// runs says whether an image for have runs where p is wanted. Builders write arm64 with and without its only variant, v8.
// Without a variant asked for, only the baseline of the other architectures is safe: amd64/v3 code crashes on older processors.
func (p platform) runs(have platform) bool {
	return p.OS == have.OS && p.Architecture == have.Architecture && p.variant() == have.variant()
}

func (p platform) variant() string {
	switch {
	case p.Architecture == "arm64" && p.Variant == "v8", p.Architecture == "amd64" && p.Variant == "v1":
		return ""
	}
	return p.Variant
}

// attestation says that an index entry describes another one (provenance, SBOM) and is no image. BuildKit marks it so.
func (p platform) attestation() bool { return p.OS == "unknown" && p.Architecture == "unknown" }
