package partition

import (
	"fmt"
	"strconv"

	godiskfs "github.com/diskfs/go-diskfs/partition"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

// GoTable returns the table as go-diskfs has it. That of an MBR holds the
// logical partitions too, which go-diskfs does not find itself. It is nil for
// an MBR in sectors of 4096 bytes and for disklabels, which go-diskfs can't express.
func (t *Table) GoTable() godiskfs.Table {
	if t.gpt != nil {
		return t.gpt
	}
	const sector = 512
	if t.SectorSize != sector || t.Scheme != MBR {
		return nil
	}
	table := &mbr.Table{LogicalSectorSize: sector, PhysicalSectorSize: sector}
	for _, p := range t.Partitions {
		kind, err := strconv.ParseUint(p.Type, 0, 8)
		if err != nil {
			continue // Read makes only types that parse
		}
		table.Partitions = append(table.Partitions, &mbr.Partition{
			Index:    p.Number,
			Bootable: p.Bootable,
			Type:     mbr.Type(kind),
			Start:    uint32(p.Offset / sector),
			Size:     uint32(p.Size / sector),
		})
	}
	return table
}

// Partition returns the partition of a number.
func (t *Table) Partition(number int) (*Partition, error) {
	for i := range t.Partitions {
		if t.Partitions[i].Number == number {
			return &t.Partitions[i], nil
		}
	}
	return nil, fmt.Errorf("partition: no partition %d", number)
}
