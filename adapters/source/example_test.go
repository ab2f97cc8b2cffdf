package source_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/qedfile"
)

// chain.qed has a backing file, which comes from beside it.
func ExampleOpener_Open() {
	server := httptest.NewServer(http.FileServer(http.Dir("../../testdata")))
	defer server.Close()

	o, err := source.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	src, err := o.Open(context.Background(), server.URL+"/chain.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	img, err := qedfile.New(src, &qedfile.Options{Backing: src.Files().Backing})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(img.Size(), img.Header().BackingFile)
	// Output: 524288 chain-middle.qed
}

func ExampleSource_Files() {
	o, err := source.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	src, err := o.Open(context.Background(), "../../testdata/chain.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()
	_, err = src.Files().Open("../../go.mod", false)
	fmt.Println(err)
	// Output: qedfile: backing file not allowed: a name outside the image's directory
}
