// Package registry serves OCI image layouts as a read-only registry.
//
// Tests and the demo pull over HTTP as operators do, so what answers them is
// the registry of go-containerregistry rather than a mock of it. Two things are
// done differently: blobs come straight from the layout's files, with every form
// of Range that resuming clients send (the library understands only
// "bytes=a-b"), and nothing can be pushed.
package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	library "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// Repository is the name that every layout is served under.
const Repository = "aztecprotocol/aztec"

// Moved is where upstream has versions from 6 on: the same under another name.
const Moved = "azteclabs/aztec"

// Handler returns the registry of the given layout directories (OCI image spec
// "image-layout.md"). The tags are the ref.name annotations of their indexes; a
// tag that two layouts have with different digests is an error. Manifests are
// read once, here; blobs when they are asked for.
func Handler(layouts ...string) (http.Handler, error) {
	s := server{
		manifests: library.New(library.Logger(log.New(io.Discard, "", 0))),
		tags:      map[string]v1.Hash{},
	}
	for _, dir := range layouts {
		if err := s.add(dir); err != nil {
			return nil, fmt.Errorf("serving the layout %s: %w", dir, err)
		}
	}
	return s, nil
}

type server struct {
	manifests http.Handler
	tags      map[string]v1.Hash
	blobs     []string
}

func (s *server) add(dir string) error {
	path, err := layout.FromPath(dir)
	if err != nil {
		return err
	}
	index, err := path.ImageIndex()
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	s.blobs = append(s.blobs, filepath.Join(dir, "blobs"))
	for _, d := range manifest.Manifests {
		tag := tagOf(d)
		if tag == "" {
			continue
		}
		if had, ok := s.tags[tag]; ok && had != d.Digest {
			return fmt.Errorf("adding the tag %s: another layout has it as %s", tag, had)
		}
		s.tags[tag] = d.Digest
		if err := s.push(path, tag, d); err != nil {
			return fmt.Errorf("adding the tag %s: %w", tag, err)
		}
	}
	return nil
}

// tagOf accepts a bare tag and a whole reference: tools write either.
func tagOf(d v1.Descriptor) string {
	name := d.Annotations[tree.RefName]
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

// push hands a manifest to the library, what an index lists before the index.
func (s *server) push(path layout.Path, ref string, d v1.Descriptor) error {
	body, err := path.Bytes(d.Digest)
	if err != nil {
		return err
	}
	if d.MediaType.IsIndex() {
		index, err := v1.ParseIndexManifest(bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("parsing the index %s: %w", d.Digest, err)
		}
		for _, child := range index.Manifests {
			if err := s.push(path, child.Digest.String(), child); err != nil {
				return err
			}
		}
	}
	req, err := http.NewRequest(http.MethodPut, "/v2/"+Repository+"/manifests/"+ref, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", string(d.MediaType))
	answer := &reply{header: http.Header{}}
	s.manifests.ServeHTTP(answer, req)
	if answer.status != http.StatusCreated {
		return fmt.Errorf("storing the manifest %s: status %d: %s", d.Digest, answer.status, answer.body.String())
	}
	return nil
}

// reply is what the library answers to a manifest put in from here.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header         { return r.header }
func (r *reply) WriteHeader(status int)      { r.status = status }
func (r *reply) Write(p []byte) (int, error) { return r.body.Write(p) }

// ServeHTTP answers the pull half of the OCI distribution spec.
func (s server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is read-only")
		return
	}
	if rest, ok := strings.CutPrefix(req.URL.Path, "/v2/"+Moved+"/"); ok {
		req = req.Clone(req.Context())
		req.URL.Path = "/v2/" + Repository + "/" + rest
	}
	if digest, ok := strings.CutPrefix(req.URL.Path, "/v2/"+Repository+"/blobs/"); ok {
		s.blob(w, req, digest)
		return
	}
	s.manifests.ServeHTTP(w, req)
}

func (s server) blob(w http.ResponseWriter, req *http.Request, digest string) {
	// Parsing the digest is also what keeps the path inside the layout.
	h, err := v1.NewHash(digest)
	if err != nil {
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID", "invalid digest")
		return
	}
	for _, dir := range s.blobs {
		f, err := os.Open(filepath.Join(dir, h.Algorithm, h.Hex))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			refuse(w, http.StatusInternalServerError, "UNKNOWN", "the blob cannot be read")
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			refuse(w, http.StatusInternalServerError, "UNKNOWN", "the blob cannot be read")
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Docker-Content-Digest", h.String())
		w.Header().Set("ETag", `"`+h.String()+`"`)
		http.ServeContent(w, req, "", info.ModTime(), f)
		return
	}
	refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
}

// refuse answers with an error body, distribution spec section "Error codes".
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`+"\n", code, message)
}
