package diskmap

import (
	"bufio"
	"cmp"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
)

// The page, in pixels.
const (
	margin     = 40
	pageWidth  = columns + 2*margin
	diskTop    = 150
	barHeight  = 56
	ribbonRoom = 170
	fileTop    = diskTop + barHeight + ribbonRoom
	pageHeight = fileTop + barHeight + 64
	maxRibbons = 1200
)

// palette has the colours of the kinds. That of Data is the middle of its
// range: data is coloured by where it lies in the file.
var palette = [kinds]string{
	Header:  "#334155",
	L1:      "#9333ea",
	L2:      "#c084fc",
	Leak:    "#ef4444",
	Data:    "#0d9488",
	Backing: "#94a3b8",
	Zero:    "#fcd34d",
}

var legend = [kinds]string{
	Header:  "header",
	L1:      "L1 table",
	L2:      "L2 tables",
	Leak:    "leaked clusters",
	Data:    "data, coloured by its place in the file",
	Backing: "in a backing file",
	Zero:    "zero clusters",
}

// WriteSVG draws the picture.
func (m *Map) WriteSVG(out io.Writer) error {
	w := &page{Writer: bufio.NewWriter(out)}
	m.fillTables()
	w.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13">`+"\n",
		pageWidth, pageHeight, pageWidth, pageHeight)
	w.printf(`<rect width="100%%" height="100%%" fill="#ffffff"/>` + "\n")
	w.text(margin, 44, `font-size="20" font-weight="600" fill="#0f172a"`, m.Title)
	w.text(margin, 68, `fill="#475569"`, m.Subtitle)
	if m.file.size > 0 {
		w.text(margin, 88, `fill="#475569"`, m.fragmentation())
	}
	m.drawLegend(w)
	m.drawRow(w, &m.disk, diskTop, "disk")
	if m.file.size > 0 {
		w.printf("<g>\n")
		m.drawRibbons(w)
		w.printf("</g>\n")
		m.drawRow(w, &m.file, fileTop, "file")
	}
	w.printf("</svg>\n")
	return w.Flush()
}

// fragmentation is the picture in a sentence.
func (m *Map) fragmentation() string {
	switch {
	case m.extents == 0:
		return "No data is stored."
	case m.jumps == 0:
		return fmt.Sprintf("%s of data, all in the order of the disk.", m.size(m.stored))
	}
	return fmt.Sprintf("%s of data in %d pieces; %d of them do not follow their predecessor in the file.",
		m.size(m.stored), m.extents, m.jumps)
}

// page collects the elements. Errors stay in the writer until Flush.
type page struct{ *bufio.Writer }

func (w *page) printf(format string, args ...any) { fmt.Fprintf(w, format, args...) }

func (w *page) text(x, y float64, attributes, s string) {
	w.printf(`<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, attributes, html.EscapeString(s))
}

func (w *page) rect(x, y, width, height float64, fill, title string) {
	w.printf(`<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"><title>%s</title></rect>`+"\n",
		x, y, width, height, fill, html.EscapeString(title))
}

// drawLegend explains the colours that occur.
func (m *Map) drawLegend(w *page) {
	x := float64(margin)
	for k := range kinds {
		if !m.occurs(k) {
			continue
		}
		name := legend[k]
		if k == Backing && len(m.layers) == 1 {
			for file := range m.layers {
				name = "in " + file
			}
		}
		w.printf(`<rect x="%.1f" y="104" width="12" height="12" rx="2" fill="%s"/>`+"\n", x, palette[k])
		w.text(x+18, 114.5, `fill="#334155"`, name)
		x += 18 + 7*float64(len([]rune(name))) + 22
	}
}

func (m *Map) occurs(k Piece) bool {
	for c := range columns {
		if m.disk.share[c][k] > 0 || m.file.share[c][k] > 0 {
			return true
		}
	}
	return false
}

// fillTables makes L2 tables of what the file has besides all that is known.
func (m *Map) fillTables() {
	f := &m.file
	if f.size == 0 {
		return
	}
	if !f.many {
		slices.SortFunc(f.pieces, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
		end := int64(0)
		for _, p := range append(slices.Clone(f.pieces), piece{off: f.size}) {
			f.add(piece{off: end, n: min(p.off, f.size) - end, kind: L2})
			end = max(end, p.off+p.n)
		}
		return
	}
	width := float64(f.size) / columns
	for c := range f.share {
		known := 0.0
		for _, n := range f.share[c] {
			known += n
		}
		f.share[c][L2] = max(0, width-known)
	}
}

// drawRow draws a bar with its scale.
func (m *Map) drawRow(w *page, r *row, top float64, name string) {
	w.printf(`<g>` + "\n")
	w.printf(`<rect x="%d" y="%.0f" width="%d" height="%d" fill="#f1f5f9"/>`+"\n", margin, top, columns, barHeight)
	if r.many {
		m.drawColumns(w, r, top, name)
	} else {
		for _, p := range r.pieces {
			x, width := place(p.off, p.n, r.size)
			w.rect(x, top, width, barHeight, m.color(p.kind, p.host+p.n/2), m.describe(name, p))
		}
	}
	w.printf(`<rect x="%d" y="%.0f" width="%d" height="%d" fill="none" stroke="#94a3b8"/>`+"\n", margin, top, columns, barHeight)
	m.drawScale(w, r, top, name)
	w.printf("</g>\n")
}

// place is where a range of a row is drawn: at least wide enough to be seen.
func place(off, n, size int64) (x, width float64) {
	scale := float64(columns) / float64(size)
	return margin + float64(off)*scale, math.Max(float64(n)*scale, 0.6)
}

// drawColumns draws a row of many pieces: each column is filled from below
// with the shares of the kinds.
func (m *Map) drawColumns(w *page, r *row, top float64, name string) {
	width := float64(r.size) / columns
	for c := range columns {
		y := top + barHeight
		for k, n := range r.share[c] {
			height := math.Min(n/width*barHeight, y-top)
			if height < 0.3 {
				continue
			}
			y -= height
			title := fmt.Sprintf("%s %s, 1/%d of it: %s %.0f%%", name, m.size(int64(float64(c)*width)), columns, legend[k], 100*n/width)
			w.rect(margin+float64(c), y, 1, height, m.color(Piece(k), int64(r.place[c]/math.Max(1, r.share[c][Data]))), title)
		}
	}
}

// describe is what the pointer shows over a piece.
func (m *Map) describe(row string, p piece) string {
	s := fmt.Sprintf("%s %#x, %s: %s", row, p.off, m.size(p.n), legend[p.kind])
	switch {
	case p.kind == Data && row == "disk":
		s = fmt.Sprintf("disk %#x, %s: data, in the file at %#x", p.off, m.size(p.n), p.host)
	case p.kind == Data:
		s = fmt.Sprintf("file %#x, %s: data", p.off, m.size(p.n))
	case p.kind == Backing:
		s = fmt.Sprintf("disk %#x, %s: in %s", p.off, m.size(p.n), p.name)
	}
	return s
}

// drawScale writes the row's name and some offsets beneath its bar.
func (m *Map) drawScale(w *page, r *row, top float64, name string) {
	y := top + barHeight + 16
	if name == "disk" {
		y = top - 6
	}
	step := niceStep(r.size)
	for i := range r.size / step {
		off := i * step
		x, _ := place(off, 0, r.size)
		w.printf(`<path d="M%.1f %.1fv6" stroke="#94a3b8"/>`+"\n", x, map[bool]float64{true: top - 6, false: top + barHeight}[name == "disk"])
		label := m.size(off)
		if off == 0 {
			label = name
		}
		w.text(x+3, y, `font-size="11" fill="#64748b"`, label)
	}
	w.text(pageWidth-margin, y, `font-size="11" fill="#64748b" text-anchor="end"`, m.size(r.size))
}

// niceStep is the power of two that divides a size into 5 to 10 parts.
func niceStep(size int64) int64 {
	step := int64(1)
	for size/step > 10 {
		step *= 2
	}
	return step
}

// drawRibbons connects data on the disk with its place in the file.
func (m *Map) drawRibbons(w *page) {
	if !m.disk.many {
		for _, p := range m.disk.pieces {
			if p.kind == Data {
				x, width := place(p.off, p.n, m.disk.size)
				fx, fwidth := place(p.host, p.n, m.file.size)
				w.ribbon(x, x+width, fx, fx+fwidth, m.color(Data, p.host+p.n/2), 0.28)
			}
		}
		return
	}
	type band struct {
		disk, file int
		n          float64
	}
	var all []band
	for d := range bands {
		for f, n := range m.ribbons[d] {
			if n > 0 {
				all = append(all, band{d, f, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b band) int { return cmp.Compare(b.n, a.n) })
	full := math.Min(float64(m.disk.size), float64(m.file.size)) / bands
	const width = float64(columns) / bands
	for _, b := range all[:min(len(all), maxRibbons)] {
		x, fx := margin+float64(b.disk)*width, margin+float64(b.file)*width
		host := float64(b.file) / bands * float64(m.file.size)
		w.ribbon(x, x+width, fx, fx+width, m.color(Data, int64(host)), 0.04+0.25*math.Min(1, b.n/full))
	}
}

func (w *page) ribbon(x1, x2, fx1, fx2 float64, fill string, opacity float64) {
	const y1, y2 = diskTop + barHeight, fileTop
	const mid = (y1 + y2) / 2
	w.printf(`<path d="M%.2f %dC%.2f %d %.2f %d %.2f %dL%.2f %dC%.2f %d %.2f %d %.2f %dZ" fill="%s" fill-opacity="%.2f"/>`+"\n",
		x1, y1, x1, mid, fx1, mid, fx1, y2, fx2, y2, fx2, mid, x2, mid, x2, y1, fill, opacity)
}

// color is that of a kind; data goes from blue at the beginning of the file
// over teal to lime at its end.
func (m *Map) color(k Piece, host int64) string {
	if k != Data || m.file.size == 0 {
		return palette[k]
	}
	stops := [...][3]float64{{37, 99, 235}, {13, 148, 136}, {132, 204, 22}}
	t := math.Max(0, math.Min(1, float64(host)/float64(m.file.size))) * float64(len(stops)-1)
	i := min(int(t), len(stops)-2)
	var c [3]int
	for j := range c {
		c[j] = int(stops[i][j] + (t-float64(i))*(stops[i+1][j]-stops[i][j]))
	}
	return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2])
}
