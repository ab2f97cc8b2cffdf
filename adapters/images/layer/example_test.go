package layer_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/qedfile"
)

// stripes is a format whose even kilobytes are zeroes and whose odd ones lie
// one after the other in a file.
type stripes struct{ file *strings.Reader }

func (s stripes) Run(pos, limit int64) (layer.Run, error) {
	n := min(limit, 1024-pos%1024)
	if pos/1024%2 == 0 {
		return layer.Run{Kind: qedfile.Zero, Length: n, Offset: -1}, nil
	}
	at := pos/2048*1024 + pos%1024
	return layer.Run{Kind: qedfile.Data, Length: n, File: s.file, At: at, Offset: at}, nil
}

// A format says where the parts of its disk are; the rest comes from New.
func ExampleNew() {
	d := layer.New(stripes{strings.NewReader(strings.Repeat("data", 512))}, 4096, nil)
	defer d.Close()
	p := make([]byte, 8)
	if _, err := d.ReadAt(p, 1020); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", p)
	for e, err := range d.Extents(0, d.Size()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Start, e.Length, e.Kind == qedfile.Data, e.Offset)
	}
	// Output:
	// "\x00\x00\x00\x00data"
	// 0 1024 false -1
	// 1024 1024 true 0
	// 2048 1024 false -1
	// 3072 1024 true 1024
}
