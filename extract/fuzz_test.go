package extract

import (
	"errors"
	"strings"
	"testing"
)

// FuzzDocument reads any bytes as any type. What is accepted satisfies what the rest of the package relies on.
func FuzzDocument(f *testing.F) {
	hex := strings.Repeat("a", 64)
	for _, contentType := range []string{string(manifestTypes[0]), string(indexTypes[1]), "application/json", ""} {
		f.Add([]byte(`{"schemaVersion":2,"mediaType":"`+contentType+`","config":{"mediaType":"`+string(configTypes[0])+`","digest":"sha256:`+hex+`","size":2},"layers":[{"mediaType":"`+string(layerTypes[0])+`","digest":"sha256:`+hex+`","size":2}]}`), contentType)
		f.Add([]byte(`{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:`+hex+`","size":2,"platform":{"os":"linux"}}]}`), contentType)
	}
	f.Fuzz(func(t *testing.T, raw []byte, contentType string) {
		d, err := parseDocument(raw, contentType, "sha256:"+hex)
		if err != nil {
			if !errors.Is(err, ErrInvalidImage) {
				t.Errorf("%v is not ErrInvalidImage", err)
			}
			return
		}
		if !knownDocument(d.media) || d.SchemaVersion != 2 || d.index() == (d.Config != nil) || d.index() && d.Layers != nil || !d.index() && d.Manifests != nil {
			t.Fatalf("accepted %+v", d)
		}
		if d.index() {
			return
		}
		for _, l := range append(d.Layers, *d.Config) {
			if checkDigest(l.Digest) != nil || l.Size < 0 || l.Size > maxBlob || len(d.Layers) > maxLayers {
				t.Errorf("accepted %+v", l)
			}
		}
	})
}

// FuzzConfig reads any bytes as the configuration of an image with one layer.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"os":"linux","architecture":"amd64","config":{"Env":["A=b"]},"rootfs":{"type":"layers","diff_ids":["sha256:` + strings.Repeat("a", 64) + `"]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseConfig(raw, 1)
		if err == nil && (len(c.RootFS.DiffIDs) != 1 || checkDigest(c.RootFS.DiffIDs[0]) != nil) {
			t.Errorf("accepted %+v", c)
		}
		if err != nil && !errors.Is(err, ErrInvalidImage) {
			t.Errorf("%v is not ErrInvalidImage", err)
		}
	})
}

// FuzzReference parses any text; what is accepted means the same when its canonical form is parsed again.
func FuzzReference(f *testing.F) {
	for _, s := range []string{"debian", "reg.example:5000/a/b:tag", "a@sha256:" + strings.Repeat("a", 64), "localhost/x:y@sha256:" + strings.Repeat("0", 64), ":", "a:b:c@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseReference(s, false)
		if err != nil {
			return
		}
		again, err := parseReference(r.String(), false)
		if err != nil || again.String() != r.String() {
			t.Errorf("%q is %+v, and its canonical form %q is %+v, %v", s, r, r.String(), again, err)
		}
	})
}
