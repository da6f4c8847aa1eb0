package stubimage

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
)

// TestPull takes every tag through a registry, as the product will.
func TestPull(t *testing.T) {
	dir := t.TempDir()
	if err := Build(dir); err != nil {
		t.Fatal(err)
	}
	h, err := registry.Handler(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	repo, err := name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/" + registry.Repository)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(repo)
	want := Tags()
	slices.Sort(want) // as registries list them
	if diff := cmp.Diff(want, tags); diff != "" || err != nil {
		t.Errorf("tags: %v (-want +got):\n%s", err, diff)
	}
	media := map[string]types.MediaType{Good: types.OCIImageIndex, Docker: types.DockerManifestSchema2}
	layers := map[string][]string{}
	for _, tag := range tags {
		d, err := remote.Get(repo.Tag(tag), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
		if err != nil {
			t.Fatal(err)
		}
		want, special := media[tag]
		if !special {
			want = types.OCIManifestSchema1
		}
		if d.MediaType != want {
			t.Errorf("%s is a %s, want %s", tag, d.MediaType, want)
		}
		img, err := d.Image()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s: %v", tag, err)
		}
		layers[tag] = digests(t, img)
	}
	for _, tag := range tags {
		shared := cmp.Equal(layers[tag][:3], layers[Good][:3])
		if same := layers[tag][3] == layers[Good][3]; !shared || same != (tag == Good || tag == Docker) {
			t.Errorf("%s: shares lower layers %v, has the top layer of %s %v", tag, shared, Good, same)
		}
	}
}

func digests(t *testing.T, img v1.Image) (list []string) {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, l := range m.Layers {
		list = append(list, l.Digest.String())
		total += l.Size
	}
	if total > 8<<20 {
		t.Errorf("the image is %d bytes, too many for a small one", total)
	}
	return list
}

// TestPlatforms holds the index to what upstream pushes.
func TestPlatforms(t *testing.T) {
	index, err := platforms(config(Good), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range m.Manifests {
		got = append(got, d.Platform.String()+" "+d.Annotations["vnd.docker.reference.type"])
	}
	want := []string{"linux/amd64 ", "linux/arm64 ", "unknown/unknown attestation-manifest"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

func TestDeclaration(t *testing.T) {
	line, rest, _ := strings.Cut(string(declaration()), "\n")
	if n := strings.Count(line, "'"); n != 2*370 || !strings.HasPrefix(line, "export type EnvVar = 'REGISTRY_CONTRACT_ADDRESS' | ") || !strings.HasSuffix(line, "';") {
		t.Errorf("%d quotes in %.80s", n, line)
	}
	if !strings.HasPrefix(rest, "//# sourceMappingURL=") {
		t.Errorf("after the type comes %q", rest)
	}
}
