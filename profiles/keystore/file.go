package keystore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrExposed says that users other than the owner and his group can read or
// change a file with keys.
var ErrExposed = errors.New("other users of this host may read it")

// ErrNotFile is met where a path leads to a device, a pipe or a socket.
var ErrNotFile = errors.New("it is neither a file nor a directory")

// Load reads the keystore at a path and checks it as Parse does. Of a
// directory it reads every file that the node would, those whose names end in
// .json, merged as Merge does. The error names the file.
func Load(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading a keystore: %w", err)
	}
	if !info.IsDir() {
		return loadFile(path)
	}
	files, err := os.ReadDir(path) // sorted: the result does not depend on the disk
	if err != nil {
		return nil, fmt.Errorf("reading a keystore: %w", err)
	}
	var all []byte
	for _, f := range files {
		if !strings.EqualFold(filepath.Ext(f.Name()), ".json") {
			continue
		}
		name := filepath.Join(path, f.Name())
		data, err := loadFile(name)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = data
		} else if all, err = Merge(all, data); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	if all == nil {
		return nil, fmt.Errorf("reading the keystores in %s: there is no file *.json", path)
	}
	return all, nil
}

func loadFile(path string) (data []byte, err error) {
	// O_NONBLOCK: opening a pipe would wait for somebody to write.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading a keystore: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = private(info)
	}
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(f, maxSize+1))
	}
	if err == nil {
		_, err = Parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// others are the permissions that expose a file.
const others fs.FileMode = 0o007

func private(info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return ErrNotFile
	case info.Mode().Perm()&others != 0:
		return ErrExposed
	}
	return nil
}
