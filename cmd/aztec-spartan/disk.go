package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
)

// diskReport is what disk --json prints. Bytes are those of the disk, not the
// lengths of files: stores are sparse.
type diskReport struct {
	Instances []diskInstance `json:"instances"`
	Images    []diskImage    `json:"images"`
	// FreeableBytes is what the commands of Free would free.
	FreeableBytes int64      `json:"freeable_bytes"`
	Free          []freeable `json:"freeable"`
}

type diskInstance struct {
	Name      string      `json:"name"`
	Dir       string      `json:"dir"`
	Bytes     int64       `json:"bytes"`
	FreeBytes int64       `json:"free_bytes"` // of its file system
	Size      int64       `json:"size_bytes"` // of its file system
	Stores    []diskStore `json:"stores"`     // largest first
}

type diskStore struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

type diskImage struct {
	collectedImage
	// Bytes are those that no other image has too.
	Bytes   int64    `json:"bytes"`
	Reasons []string `json:"reasons"` // why it stays; none: gc removes it
}

type freeable struct {
	What    string `json:"what"`
	Bytes   int64  `json:"bytes"`
	Command string `json:"command"`
}

func (a *app) diskCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "disk",
		Short: "Show what uses the disk, and what could be freed",
		Long: `Show what instances and images take on the disk, and what could be freed by
which command. Of an image, what is said is what no other version has too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoot("disk", false); err != nil {
				return err
			}
			report, err := a.diskReport(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(report)
			}
			return a.showDisk(report)
		},
	}
}

func (a *app) diskReport(ctx context.Context) (diskReport, error) {
	r := diskReport{Instances: []diskInstance{}, Images: []diskImage{}, Free: []freeable{}}
	names, err := a.instanceNames()
	if err != nil {
		return r, err
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		i := a.diskOf(name)
		r.Instances = append(r.Instances, i)
		for _, s := range i.Stores {
			switch s.Name {
			case asideDir:
				r.add("old stores of "+name, s.Bytes, "aztec-spartan resync "+name)
			case droppedDir: // whoever removed them was killed
				r.add("old stores of "+name, s.Bytes, "rm -r "+filepath.Join(i.Dir, droppedDir))
			}
		}
	}
	return r, a.diskImages(&r)
}

func (r *diskReport) add(what string, bytes int64, command string) {
	r.Free = append(r.Free, freeable{what, bytes, command})
	r.FreeableBytes += bytes
}

func (a *app) diskOf(name string) diskInstance {
	dir := a.boundOrUsual(name)
	i := diskInstance{Name: name, Dir: dir, Stores: []diskStore{}}
	path, err := a.dataPath(name)
	if err != nil {
		path = a.path(dir) // their disk is away
	}
	i.FreeBytes, i.Size, _ = doctor.Disks{}.Room(path)
	found, _ := os.ReadDir(path) // none before the first start
	for _, f := range found {
		s := diskStore{f.Name(), diskUsage(filepath.Join(path, f.Name()))}
		i.Bytes += s.Bytes
		i.Stores = append(i.Stores, s)
	}
	slices.SortStableFunc(i.Stores, func(x, y diskStore) int { return int(min(max(y.Bytes-x.Bytes, -1), 1)) })
	return i
}

// diskImages asks gc, which knows what images share, what it would free.
func (a *app) diskImages(r *diskReport) error {
	needs, err := a.needs()
	if err != nil {
		return err
	}
	images, _, err := a.imagesOf(nil)
	if err != nil {
		return err
	}
	for _, img := range images {
		// What would be free if it alone went.
		alone, err := a.store().Collect(func(other *extract.Image) string {
			if other.ID == img.ID {
				return ""
			}
			return "stays"
		}, true)
		if err != nil {
			return err
		}
		r.Images = append(r.Images, diskImage{asCollected(img), alone.FreedBytes - alone.Leftovers, needs.of(img)})
	}
	all, err := a.store().Collect(func(img *extract.Image) string { return join(needs.of(img)) }, true)
	if err == nil && all.FreedBytes > 0 {
		r.add("images that nothing needs", all.FreedBytes, "aztec-spartan gc")
	}
	return err
}

// shownStores is how many stores of an instance are told one by one.
const shownStores = 4

func (a *app) showDisk(r diskReport) error {
	if len(r.Instances)+len(r.Images) == 0 {
		a.note("there is neither an instance nor an image on this host")
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, i := range r.Instances {
		fmt.Fprintf(w, "%s\t%s\t%s, %s free\n", i.Name, bytesOf(i.Bytes), i.Dir, bytesOf(i.FreeBytes))
		for n, s := range i.Stores {
			if n < shownStores && s.Bytes > 0 {
				fmt.Fprintf(w, "  %s\t%s\t\n", quoted(s.Name), bytesOf(s.Bytes))
			}
		}
	}
	for _, img := range r.Images {
		fmt.Fprintf(w, "%s\t%s\t%s\n", orDefault(img.Version, img.ID), bytesOf(img.Bytes), orDefault(join(img.Reasons), "nothing needs it"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range r.Free {
		a.print("could be freed: %s, %s: %s", bytesOf(f.Bytes), f.What, f.Command)
	}
	return nil
}
