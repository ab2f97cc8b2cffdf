package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
	"github.com/qedfs/qedfs/qedfile"
)

func newInfo(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info [flags] IMAGE",
		Short: "Show an image's format, sizes and backing file",
		Long: `Show an image's format, sizes, geometry and backing file, and whether it was
closed properly. The backing file need not exist, except with --backing-chain,
which shows every image of the chain.

The lines and the JSON keys are those of qemu-img info. qemu-img 7.2 shows
every image as cleanly closed; here "dirty-flag" is what the image says.`,
		Args: oneImage(),
	}
	a.addOpenFlags(cmd)
	a.addDescriptionFlags(cmd)
	out := addOutputFlag(cmd)
	chain := cmd.Flags().Bool("backing-chain", false, "show the backing files too, the nearest first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		infos, err := a.imageInfos(args[0], *chain)
		if err != nil {
			return err
		}
		switch {
		case out.json() && *chain:
			return printJSON(a.stdout, infos)
		case out.json():
			return printJSON(a.stdout, infos[0])
		}
		w := bufio.NewWriter(a.stdout)
		for i, info := range infos {
			if i > 0 {
				fmt.Fprintln(w)
			}
			info.print(w)
		}
		return w.Flush()
	}
	return cmd
}

// imageInfo has the keys of qemu-img info, in its order.
type imageInfo struct {
	BackingFormat       string          `json:"backing-filename-format,omitempty"`
	Snapshots           []snapshotInfo  `json:"snapshots,omitempty"`
	VirtualSize         int64           `json:"virtual-size"`
	Filename            string          `json:"filename"`
	ClusterSize         int64           `json:"cluster-size,omitempty"`
	Format              string          `json:"format"`
	ActualSize          *int64          `json:"actual-size,omitempty"` // nil where it cannot be told
	Specific            *formatSpecific `json:"format-specific,omitempty"`
	FullBackingFilename string          `json:"full-backing-filename,omitempty"`
	BackingFilename     string          `json:"backing-filename,omitempty"`
	Dirty               bool            `json:"dirty-flag"`
}

// print writes the lines of qemu-img info.
func (i *imageInfo) print(w io.Writer) {
	fmt.Fprintf(w, "image: %s\nfile format: %s\n", i.Filename, i.Format)
	fmt.Fprintf(w, "virtual size: %s (%d bytes)\n", bytesize.Format(i.VirtualSize), i.VirtualSize)
	actual := "unavailable"
	if i.ActualSize != nil {
		actual = bytesize.Format(*i.ActualSize)
	}
	fmt.Fprintf(w, "disk size: %s\n", actual)
	if i.ClusterSize != 0 {
		fmt.Fprintf(w, "cluster_size: %d\n", i.ClusterSize)
	}
	if i.Dirty {
		fmt.Fprintln(w, "cleanly shut down: no")
	}
	if i.BackingFilename != "" {
		fmt.Fprintf(w, "backing file: %s", show.Text(i.BackingFilename))
		if i.FullBackingFilename != i.BackingFilename {
			fmt.Fprintf(w, " (actual path: %s)", show.Text(i.FullBackingFilename))
		}
		fmt.Fprintln(w)
		if i.BackingFormat != "" {
			fmt.Fprintf(w, "backing file format: %s\n", i.BackingFormat)
		}
	}
	printSnapshots(w, i.Snapshots)
	i.Specific.print(w)
}

// imageInfos describes an image and, if wanted, the files beneath it.
func (a *app) imageInfos(name string, chain bool) ([]imageInfo, error) {
	if !chain {
		info, err := a.topInfo(name)
		return []imageInfo{info}, err
	}
	d, err := a.openDisk(name)
	var backing *backingError
	if errors.Is(err, qedfile.ErrBackingLoop) {
		return nil, a.loopError(name, err)
	}
	if errors.As(err, &backing) && !errors.Is(err, qedfile.ErrBackingDenied) {
		return nil, &openError{name: backing.name, err: backing.err} // as qemu-img, which opens one after the other
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var infos []imageInfo
	for _, layer := range d.layers() {
		info, err := layer.info()
		if err != nil {
			return nil, fileError(layer.name, err)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// loopError names the file that comes twice in a chain.
func (a *app) loopError(name string, err error) error {
	var seen []fs.FileInfo
	for range 20 { // more than a chain may be long
		fi, statErr := os.Stat(name)
		if statErr != nil {
			return err
		}
		if slices.ContainsFunc(seen, func(above fs.FileInfo) bool { return os.SameFile(above, fi) }) {
			return qemutext.Errorf("Backing file '%s' creates an infinite loop.", name)
		}
		seen = append(seen, fi)
		info, infoErr := a.topInfo(name)
		if infoErr != nil {
			return err
		}
		name = strings.TrimPrefix(info.FullBackingFilename, "file:")
	}
	return err
}

// topInfo describes one file by itself.
func (a *app) topInfo(name string) (imageInfo, error) {
	acc := a.source()
	acc.topOnly = true
	d, err := a.openDiskFor(name, acc)
	if err != nil {
		return imageInfo{}, err
	}
	defer d.Close()
	info, err := d.info()
	return info, fileError(d.name, err)
}

// info is what a layer says of itself.
func (d *disk) info() (info imageInfo, err error) {
	switch about, foreign := d.Disk.(images.Describer); {
	case d.image != nil:
		info = headerInfo(d.name, d.image.Header())
	case foreign:
		if info, err = describeForeign(d.name, about); err != nil {
			return info, err
		}
	default:
		info = imageInfo{Filename: d.name, Format: cmp.Or(d.format, formatRaw), VirtualSize: d.Size()}
	}
	info.Filename = cmp.Or(d.title, info.Filename)
	if d.format == formatRaw {
		info.Format = formatRaw // also of an image's disk
	}
	info.ActualSize, err = d.space()
	return info, err
}

func headerInfo(name string, h *qedfile.Header) imageInfo {
	info := imageInfo{
		Filename:    name,
		Format:      formatQED,
		VirtualSize: h.ImageSize,
		ClusterSize: h.ClusterSize,
		Dirty:       h.NeedCheck(),
	}
	if h.BackingFile != "" {
		info.BackingFilename = h.BackingFile
		info.FullBackingFilename = backingPath(name, h.BackingFile)
		if h.BackingRaw() {
			info.BackingFormat = formatRaw
		}
	}
	return info
}

// backingPath is the path of a backing file as qemu shows it: relative names
// are put after the image's directory as they are (block.c, path_combine).
func backingPath(image, backing string) string {
	colon, slash := strings.IndexByte(backing, ':'), strings.IndexByte(backing, '/')
	if filepath.IsAbs(backing) || colon >= 0 && (slash < 0 || colon < slash) {
		return backing
	}
	dir, _ := filepath.Split(image)
	if file, member := source.CutMember(image); member != "" {
		dir, _ = path.Split(member)
		dir = file + "#" + dir
	}
	return dir + backing
}

// backingFile is backingPath as the host knows it.
func backingFile(image, backing string) string {
	return strings.TrimPrefix(backingPath(image, backing), "file:")
}

// layers is the disk and what lies beneath it, with the paths of the files.
func (d *disk) layers() []*disk {
	layers := []*disk{d}
	for top := d; ; top = layers[len(layers)-1] {
		layer, ok := top.Disk.(qedfile.Layer)
		if !ok || layer.Backing() == nil {
			return layers
		}
		next := &disk{Disk: layer.Backing(), name: backingFile(top.name, backingName(layer))}
		next.image, _ = next.Disk.(*qedfile.Image)
		next.raw, _ = next.Disk.(*qedfile.Raw)
		layers = append(layers, next)
	}
}

// space is how much of the host's disk an image takes, with what else belongs
// to it, or nil where that cannot be told.
func (d *disk) space() (*int64, error) {
	if t, ok := d.Disk.(backend.SpaceTeller); ok {
		if n, err := t.Space(); err == nil {
			return &n, nil
		}
	}
	return allocatedBytes(d.name)
}

// allocatedBytes is how much of the host's disk a file takes, or nil for an
// image that is no file.
func allocatedBytes(name string) (*int64, error) {
	switch {
	case name == "": // a null disk
		return new(int64), nil
	case !source.Local(name):
		return nil, nil
	}
	file, _ := source.CutMember(name)
	fi, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	n, ok := blocksOf(fi)
	if !ok {
		n = fi.Size()
	}
	return &n, nil
}
