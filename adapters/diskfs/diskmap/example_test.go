package diskmap_test

import (
	"bytes"
	"fmt"
	"log"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/diskmap"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleMap() {
	img, err := qedfile.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()

	h := img.Header()
	m := diskmap.New("gpt.qed", "a disk with two partitions", img.Size(), 1<<20)
	m.AddFile(diskmap.Header, 0, h.HeaderSize*h.ClusterSize)
	m.AddFile(diskmap.L1, h.L1TableOffset, h.TableSize*h.ClusterSize)
	for run, err := range img.Extents(0, img.Size()) {
		if err != nil {
			log.Fatal(err)
		}
		var kind diskmap.Piece
		switch run.Kind {
		case qedfile.Data:
			kind = diskmap.Data
		case qedfile.Zero:
			kind = diskmap.Zero
		default:
			continue // stored nowhere
		}
		m.AddDisk(kind, run.Start, run.Length, run.Offset, "")
	}
	var svg bytes.Buffer
	if err := m.WriteSVG(&svg); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.HasPrefix(svg.String(), "<svg "), strings.Contains(svg.String(), "gpt.qed"))
	// Output: true true
}
