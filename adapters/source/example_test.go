package source_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/adapters/wrapped"
	"github.com/qedfs/qedfs/backend"
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

// Another scheme is opened by a function of the caller.
func ExampleSchemeFunc() {
	var open source.SchemeFunc = func(_ context.Context, u *url.URL) (backend.Reader, error) {
		return backend.OpenFile(path.Join("../../testdata", path.Base(u.Path)), os.O_RDONLY, nil)
	}
	o, err := source.New(&source.Options{Schemes: map[string]source.SchemeFunc{"store": open}})
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	src, err := o.Open(context.Background(), "store://disks/gpt.qed", &source.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	img, err := qedfile.New(src, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	fmt.Println(img.Size(), src.Remote())
	// Output: 25165824 true
}

// Logins, a directory for blocks and limits are options.
func ExampleOptions() {
	dir, err := os.MkdirTemp("", "blocks")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	o, err := source.New(&source.Options{
		Netrc:         "none.netrc", // a file that is not there has no logins
		CacheDir:      dir,
		CacheDirBytes: 100 << 20,
		Wrapped:       &wrapped.Options{MaxSize: 10 << 30},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(o.Close())
	// Output: <nil>
}
