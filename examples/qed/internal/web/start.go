package web

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/dustin/go-humanize"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// startPage is the first page: the systems and volumes.
type startPage struct {
	Systems []systemRow
	Volumes []volume
	Map     bool
}

// systemRow is a system on the first page.
type systemRow struct {
	Name, URL, Files string
	Product          string
	Facts            string
	Problems         int
}

// volume is a line of the first page.
type volume struct {
	imagefs.Volume
	URL      string // empty where it is not in the tree, or cannot be read
	Space    string // address
	Empty    string // why it is not in the tree
	Why      string // why it cannot be read
	Total    string
	Used     string
	Percent  int
	Notes    []string
	PartName string
}

// start shows what is on the disk, and what may be missing.
func (s *server) start(w http.ResponseWriter, _ *http.Request) {
	p := place{tree: s.tree, path: "."}
	v := s.page(p)
	v.Actions = []action{{"All as tar", p.link("tar"), false}, {"All as zip", p.link("zip"), false}}
	body := &startPage{Map: s.Map != nil}
	v.Body = body
	volumes, err := s.Disk.Volumes()
	problems, _ := s.Disk.Problems() // its error is that of Volumes
	for _, err := range append(problems, err) {
		if err != nil {
			v.Problems = append(v.Problems, reason(err))
		}
	}
	for _, of := range volumes {
		body.Volumes = append(body.Volumes, newVolume(of))
	}
	systems, problems := s.systems(body.Volumes)
	body.Systems = systems
	for _, err := range problems {
		v.Problems = append(v.Problems, reason(err))
	}
	for _, n := range s.Notes() {
		if n.Volume == "" { // those of a volume stand beside it
			v.Notes = append(v.Notes, n.Text)
		}
	}
	s.render(w, http.StatusOK, "start", v)
}

func newVolume(of imagefs.Volume) volume {
	v := volume{Volume: of, Total: humanize.IBytes(uint64(of.Size))}
	if of.Partition != nil {
		v.PartName = of.Partition.Name
	}
	fsys, err := of.FS()
	switch {
	case errors.Is(err, imagefs.ErrNoFiles):
		v.Empty = reason(err)
		return v
	case err != nil:
		v.Why = reason(err)
		return v
	}
	at := place{path: v.Name}
	v.URL, v.Space = at.link("files")+"/", at.link("space")
	info := fsys.Info()
	v.Notes = info.Notes
	if used := info.Size - info.Free; info.FreeErr == nil && info.Size > 0 && used >= 0 && used <= info.Size {
		v.Used = humanize.IBytes(uint64(used))
		v.Percent = int(float64(used) * 100 / float64(info.Size))
	}
	return v
}

// mapPage shows the picture with what is wrong with it.
func (s *server) mapPage(w http.ResponseWriter, r *http.Request) {
	v := s.page(place{path: "."})
	v.Title = "Map of " + s.Name
	v.Crumbs = []crumb{{"map", "/map"}}
	svg, err := s.draw(r)
	if err != nil {
		v.Problems = reasons(err)
		s.problem("map", err)
	}
	v.Body = len(svg) > 0
	s.render(w, http.StatusOK, "map", v)
}

func (s *server) mapPicture(w http.ResponseWriter, r *http.Request) {
	svg, err := s.draw(r)
	if err != nil && len(svg) == 0 {
		http.Error(w, "there is no picture", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", filePolicy)
	h.Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(svg) // a client who is gone needs no picture
}

// draw draws the map once; a client who goes first leaves it to the next.
func (s *server) draw(r *http.Request) ([]byte, error) {
	done := s.wait(r.Context())
	if done == nil {
		return nil, r.Context().Err()
	}
	defer done()
	if s.drawn {
		return s.svg, s.drawErr
	}
	var b bytes.Buffer
	err := s.Map(r.Context(), &b)
	if r.Context().Err() == nil {
		s.svg, s.drawErr, s.drawn = b.Bytes(), err, true
	}
	return b.Bytes(), err
}
