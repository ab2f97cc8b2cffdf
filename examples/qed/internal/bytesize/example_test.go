package bytesize_test

import (
	"fmt"

	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
)

func Example() {
	n, err := bytesize.Parse("1.5G")
	fmt.Println(n, err)
	fmt.Println(bytesize.Format(n))
	// Output:
	// 1610612736 <nil>
	// 1.5 GiB
}
