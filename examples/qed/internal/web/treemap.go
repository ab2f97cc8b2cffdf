package web

import (
	"math"
	"slices"
)

// tile is a rectangle of the treemap, in the units of its picture.
type tile struct {
	*share
	X, Y, W, H float64
	Class      string
	Label      bool // it has room for its name
	Inner      bool // it is a part of the tile before it that is not inner
}

const (
	mapWidth, mapHeight = 1000, 520
	labelHeight         = 20
	shades              = 8
)

// tiles lays out the parts of a directory, and in each directory among them its
// own parts.
func (b *spaceBody) tiles() []tile {
	var list []tile
	all := withRest(b.Shares, b.bytes, "")
	for i, t := range squarify(all, 0, 0, mapWidth, mapHeight) {
		t.Class = "shade" + string(rune('0'+i%shades))
		t.Label = t.W > 60 && t.H > labelHeight
		list = append(list, t)
		if !t.Label || t.H < 3*labelHeight {
			continue
		}
		for _, in := range squarify(withRest(t.parts, t.Bytes, t.URL), t.X+3, t.Y+labelHeight, t.W-6, t.H-labelHeight-3) {
			in.Class, in.Inner = t.Class, true
			in.Label = in.W > 60 && in.H > labelHeight
			list = append(list, in)
		}
	}
	return list
}

// withRest are the parts of something with what they leave of it, the largest
// first.
func withRest(parts []*share, bytes int64, url string) []*share {
	rest := bytes
	for _, p := range parts {
		rest -= p.Bytes
	}
	if rest <= 0 || len(parts) == 0 {
		return parts
	}
	s := &share{Name: "the rest", URL: url, Bytes: rest}
	at, _ := slices.BinarySearchFunc(parts, s, bySpace)
	return slices.Insert(slices.Clone(parts), at, s)
}

// squarify lays out parts, the largest first, in rows along the shorter side of
// what is left, each row as long as that makes its rectangles more like squares
// (Bruls, Huizing and van Wijk, "Squarified Treemaps").
func squarify(parts []*share, x, y, w, h float64) []tile {
	var total float64
	for _, p := range parts {
		total += float64(p.Bytes)
	}
	if total <= 0 || w <= 0 || h <= 0 {
		return nil
	}
	scale := w * h / total
	var list []tile
	for len(parts) > 0 && w >= 1 && h >= 1 {
		side := math.Min(w, h)
		n, sum, worst := 0, 0.0, math.Inf(1)
		for n < len(parts) {
			area := float64(parts[n].Bytes) * scale
			if area <= 0 {
				break
			}
			next := sum + area
			thick := next / side
			largest, smallest := float64(parts[0].Bytes)*scale, area
			ratio := math.Max(thick*thick/smallest, largest/(thick*thick))
			if ratio > worst {
				break
			}
			n, sum, worst = n+1, next, ratio
		}
		if n == 0 {
			break // what is left takes nothing
		}
		thick := sum / side
		along := 0.0
		for _, p := range parts[:n] {
			length := float64(p.Bytes) * scale / thick
			t := tile{share: p, X: x + along, Y: y, W: length, H: thick}
			if w >= h { // a column at the left
				t = tile{share: p, X: x, Y: y + along, W: thick, H: length}
			}
			list = append(list, t)
			along += length
		}
		if parts = parts[n:]; w >= h {
			x, w = x+thick, w-thick
		} else {
			y, h = y+thick, h-thick
		}
	}
	return list
}
