package lvm

import "io"

// Hidden opens a volume that is not listed.
func Hidden(g *Group, name string) (*io.SectionReader, error) { return g.logical[name].Open() }
