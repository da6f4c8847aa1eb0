package stage

import (
	"fmt"
	"net/http"
	"time"
)

// BlobAddress is where hosts find the blobs of their sequencer.
const BlobAddress = "127.0.0.1:5001"

// ServeBlobs serves the blobs that a sequencer keeps below its data directory,
// until Close. Nodes of other users cannot read them there, and a beacon node,
// from which they would have them, there is not.
func (s *Stage) ServeBlobs(instance string) error {
	l, err := s.Listen("tcp", BlobAddress)
	if err != nil {
		return fmt.Errorf("serving blobs: %w", err)
	}
	files := http.FileServer(http.Dir(s.Path("/var/lib/aztec/" + instance + "/blobs")))
	server := &http.Server{Handler: files, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.closers = append(s.closers, func() error {
		err := server.Close()
		<-served
		return err
	})
	return nil
}
