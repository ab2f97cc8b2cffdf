package images

import (
	"fmt"
	"path"
	"strings"

	"github.com/qedfs/qedfs/adapters/images/vdi"
	"github.com/qedfs/qedfs/qedfile"
)

// vdiParent opens the parent of a VDI image. The format has no name for it, so
// that it is looked for among the images beside the one that has it; only
// Files that know what is there, as those of [Siblings] and [Anywhere], can
// find it.
func (o *Options) vdiParent() func(vdi.ParentRef) (qedfile.Disk, error) {
	files, ok := o.Files.(interface{ Names() ([]string, error) })
	if !ok {
		return nil
	}
	return func(ref vdi.ParentRef) (qedfile.Disk, error) {
		names, err := files.Names()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.EqualFold(path.Ext(name), ".vdi") && o.isVDI(name, ref.ID) {
				return o.Files.Backing(qedfile.BackingRef{Name: name, Format: vdi.Format, CacheBytes: ref.CacheBytes, ForceShare: o.ForceShare})
			}
		}
		return nil, fmt.Errorf("no .vdi file with it lies beside the image")
	}
}

// isVDI reports whether a file is the image with an identity. A file that
// cannot be read is not.
func (o *Options) isVDI(name string, id vdi.ID) bool {
	r, err := o.Files.Open(name, o.ForceShare)
	if err != nil {
		return false
	}
	defer r.Close()
	h, err := vdi.ReadHeader(r)
	return err == nil && h.ID == id
}
