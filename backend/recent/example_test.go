package recent_test

import (
	"fmt"
	"strings"

	"github.com/qedfs/qedfs/backend/recent"
)

func ExampleCache() {
	blocks := recent.New[int, string](1 << 20)
	for range 2 {
		b, err := blocks.Get(3, 8, func() (string, error) {
			fmt.Println("unpacking block 3")
			return strings.Repeat("ab", 4), nil
		})
		fmt.Println(b, err)
	}
	// Output:
	// unpacking block 3
	// abababab <nil>
	// abababab <nil>
}
