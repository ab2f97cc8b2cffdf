package vmdk

import (
	"fmt"
	"io"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

// grainTables is the layer.Map of a sparse extent: a directory of tables.
// A table has an entry for every grain that it maps.
type grainTables struct {
	file       *layer.File
	size       int64 // bytes of the disk in this extent
	grain      int64 // bytes
	directory  int64 // offset in the file, in bytes
	tables     int64 // entries of the directory
	grains     int64 // entries of a table
	entrySize  int64 // bytes of an entry, 4 or 8
	cacheBytes int64
	entries    *qedfile.TableReader

	// table returns where a table begins in the file by its entry in the
	// directory, 0 for none.
	table func(entry uint64) (int64, error)
	// place returns what a grain is by its entry in a table, and where a Data
	// one begins in the file.
	place func(entry uint64) (kind qedfile.Kind, at int64, err error)

	unpack io.ReaderAt // reads the extent where its grains are compressed, else nil
}

// init checks the geometry and prepares the reading of the tables.
func (t *grainTables) init() error {
	if t.grain <= 0 || t.grain > maxGrain || t.grains <= 0 || t.grains > 4096 {
		return invalid("grains of %d bytes, %d in a table", t.grain, t.grains)
	}
	if need := (t.size-1)/(t.grain*t.grains) + 1; t.tables < need {
		return invalid("a directory of %d entries; %d are needed", t.tables, need)
	}
	if t.tables > t.file.Bytes || !t.file.Holds(t.directory, t.tables*t.entrySize) {
		return invalid("the directory of %d entries at %d does not fit into the file of %d bytes", t.tables, t.directory, t.file.Bytes)
	}
	t.entries = qedfile.NewTableReader(t.file, &qedfile.TableOptions{Narrow: t.entrySize == 4, CacheBytes: max(t.cacheBytes, 1)})
	return nil
}

// tableAt returns the offset of a grain table by its entry in the directory, 0
// for none.
func (t *grainTables) tableAt(index int64, entry uint64) (int64, error) {
	at, err := t.table(entry)
	if err == nil && at != 0 && !t.file.Holds(at, t.grains*t.entrySize) {
		err = fmt.Errorf("it is at %d, but the file ends at %d", at, t.file.Bytes)
	}
	if err != nil {
		return 0, corrupt("grain table %d: %w", index, err)
	}
	return at, nil
}

// Run implements layer.Format.
func (t *grainTables) Run(pos, limit int64) (layer.Run, error) {
	span := t.grain * t.grains
	first := pos / span
	inTable := min(limit, span-pos%span)
	directory, err := t.entries.Entries(t.directory + first*t.entrySize)
	if err != nil {
		return layer.Run{Length: inTable}, err
	}
	table, err := t.tableAt(first, directory.At(0))
	if err != nil {
		return layer.Run{Length: inTable}, err
	}
	if table != 0 {
		return t.inTable(table, pos, inTable)
	}
	n := int(min(int64(directory.Len()), t.tables-first))
	return layer.Blocks(pos, limit, span, n, func(i int) (layer.Run, error) {
		if table, err := t.table(directory.At(i)); table != 0 || err != nil {
			return layer.None(qedfile.Data), nil // another kind of run
		}
		return layer.None(qedfile.Unallocated), nil
	})
}

// inTable is Run for what one grain table maps.
func (t *grainTables) inTable(table, pos, limit int64) (layer.Run, error) {
	first := pos / t.grain % t.grains
	entries, err := t.entries.Entries(table + first*t.entrySize)
	if err != nil {
		return layer.Run{Length: limit}, err
	}
	n := int(min(int64(entries.Len()), t.grains-first))
	return layer.Blocks(pos, limit, t.grain, n, func(i int) (layer.Run, error) {
		grain := pos/t.grain + int64(i)
		kind, at, err := t.place(entries.At(i))
		r := layer.None(kind)
		if err == nil && kind == qedfile.Data {
			r, err = t.file.Block(at)
		}
		if err != nil {
			return r, corrupt("grain %d: %w", grain, err)
		}
		if r.Kind == qedfile.Data && t.unpack != nil {
			r = layer.Run{Kind: qedfile.Data, File: t.unpack, At: grain * t.grain, Offset: -1}
		}
		return r, nil
	})
}

// lookup returns where a grain is stored.
func (t *grainTables) lookup(grain int64) (int64, error) {
	directory, err := t.entries.Entries(t.directory + grain/t.grains*t.entrySize)
	if err != nil {
		return 0, err
	}
	table, err := t.tableAt(grain/t.grains, directory.At(0))
	if err != nil {
		return 0, err
	}
	entries, err := t.entries.Entries(table + grain%t.grains*t.entrySize)
	if err != nil {
		return 0, err
	}
	_, at, err := t.place(entries.At(0))
	return at, err
}
