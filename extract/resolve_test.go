package extract_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

func TestPlatforms(t *testing.T) {
	r := newRegistry(t)
	one := func(os, arch string) desc { return r.push(image{os: os, arch: arch, layers: small(t)}) }
	amd, arm, odd := one("linux", "amd64"), one("linux", "arm64"), one("linux", "riscv64")
	attestation := for_(r.push(image{os: "unknown", arch: "unknown"}), "unknown", "unknown")
	index := func(tag, mediaType string, entries ...desc) desc {
		return r.manifest(tag, mediaType, desc{"schemaVersion": 2, "mediaType": mediaType, "manifests": entries})
	}
	index("oci", ociIndex, attestation, for_(arm, "linux", "arm64", "v8"), for_(amd, "linux", "amd64"))
	index("docker", dockerList, for_(arm, "linux", "arm64"), for_(amd, "linux", "amd64"))
	perArch := index("amd64-only", ociIndex, for_(amd, "linux", "amd64"), attestation)
	armIndex := index("", ociIndex, attestation, for_(arm, "linux", "arm64", "v8"))
	index("nested", ociIndex, for_(perArch, "linux", "amd64"), for_(armIndex, "linux", "arm64"))
	index("nested-silent", ociIndex, armIndex, perArch)
	index("silent", ociIndex, arm, amd)
	index("attestations", ociIndex, attestation)
	index("level", ociIndex, for_(odd, "linux", "amd64", "v3"), for_(amd, "linux", "amd64"))
	deep := perArch
	for range 6 {
		deep = index("deep", ociIndex, deep)
	}
	r.push(image{tag: "single", docker: true, layers: small(t)})
	for _, test := range []struct {
		tag, platform string
		want          desc
		err           string
	}{
		{tag: "oci", platform: "linux/amd64", want: amd},
		{tag: "oci", platform: "linux/arm64", want: arm},
		{tag: "oci", platform: "linux/arm64/v8", want: arm},
		{tag: "oci", platform: "linux/s390x", err: "only for linux/amd64, linux/arm64/v8"},
		{tag: "docker", platform: "linux/arm64/v8", want: arm},
		{tag: "docker", platform: "windows/amd64", err: "no image for this platform windows/amd64"},
		{tag: "amd64-only", platform: "linux/amd64", want: amd},
		{tag: "nested", platform: "linux/amd64", want: amd},
		{tag: "nested", platform: "linux/arm64", want: arm},
		{tag: "nested-silent", platform: "linux/amd64", want: amd},
		{tag: "silent", platform: "linux/amd64", want: amd},
		{tag: "silent", platform: "linux/riscv64", err: "no image for this platform"},
		{tag: "attestations", platform: "linux/amd64", err: "no image for this platform"},
		{tag: "level", platform: "linux/amd64", want: amd},
		{tag: "level", platform: "linux/amd64/v3", want: odd},
		{tag: "deep", platform: "linux/amd64", err: "nest too deeply"},
		{tag: "single", platform: "linux/arm64", err: "only for linux/amd64"},
		{tag: "oci", platform: "amd64", err: "is not OS/ARCHITECTURE"},
	} {
		t.Run(test.tag+" "+test.platform, func(t *testing.T) {
			o := extract.PullOptions{Platform: test.platform}
			im, _, err := newStore(t).Pull(context.Background(), r.ref(":"+test.tag), o)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %s", err, test.err)
				}
				if strings.Contains(test.err, "only for") && !errors.Is(err, extract.ErrNoPlatform) {
					t.Errorf("%v is not ErrNoPlatform", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if im.Digest != test.want["digest"] {
				t.Errorf("got %s, want %s", im.Digest, test.want["digest"])
			}
			res, err := extract.Resolve(context.Background(), r.ref(":"+test.tag), o)
			want := extract.Resolved{Reference: r.ref(":" + test.tag), Digest: im.Digest, IndexDigest: im.IndexDigest, Tag: test.tag}
			if diff := cmp.Diff(want, res); diff != "" || err != nil {
				t.Errorf("Resolve: %v (-want +got):\n%s", err, diff)
			}
		})
	}
	tags, err := extract.Tags(context.Background(), r.ref(""), amd64)
	if err != nil || len(tags) < 9 {
		t.Errorf("Tags = %q, %v", tags, err)
	}
}

func TestReferences(t *testing.T) {
	hex := strings.Repeat("a", 64)
	for ref, want := range map[string]string{
		"":                                "not a valid reference",
		"UPPER/case":                      "not a valid reference",
		"a b":                             "not a valid reference",
		"reg.example/x:tag:tag":           "not a valid reference",
		"reg.example/x@sha256:" + hex[1:]: "not a valid reference",
		"reg.example/x@sha512:" + hex:     "not a valid reference",
		"reg.example/x@md5:" + hex:        "not a valid reference",
		"reg.example/x@":                  "not a valid reference",
		"reg.example/\x1b[31m":            "not a valid reference",
	} {
		_, err := extract.Resolve(context.Background(), ref, amd64)
		if !errors.Is(err, extract.ErrReference) || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q: %v", ref, err)
		}
	}
}
