package nbd_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/qedfs/qedfs/adapters/nbd"
	"github.com/qedfs/qedfs/qedfile"
)

func ExampleServe() {
	img, err := qedfile.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- nbd.Serve(ctx, l, []nbd.Export{{Name: "disk", Disk: img}}, nil) }()

	// Any client can connect now, as "nbdcopy nbd://127.0.0.1:PORT/disk copy.raw".
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	hello := make([]byte, 8)
	if _, err := conn.Read(hello); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", hello)
	conn.Close()

	cancel()
	fmt.Println(<-done)
	// Output:
	// NBDMAGIC
	// <nil>
}

// Two parts of a disk, of which one can be written.
func ExampleExport() {
	disk, err := qedfile.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	exports := []nbd.Export{
		{Name: "first", Description: "the first MiB", Disk: disk, Length: 1 << 20},
		{Name: "rest", Disk: disk, Offset: 1 << 20, AllocationDepth: true},
	}
	for _, e := range exports {
		fmt.Println(e.Name, e.Offset, e.Length)
	}
	// Output:
	// first 0 1048576
	// rest 1048576 0
}

// Limits for clients that are not trusted.
func ExampleOptions() {
	img, err := qedfile.Open("../../testdata/gpt.qed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	opts := &nbd.Options{MaxClients: 4, Memory: 64 << 20, Timeout: 10 * time.Second}
	fmt.Println(nbd.Serve(ctx, l, []nbd.Export{{Disk: img}}, opts))
	// Output: <nil>
}
