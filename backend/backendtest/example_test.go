package backendtest_test

import (
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest"
)

func ExampleCounter() {
	c := backendtest.NewCounter(backend.NewMemory([]byte("some bytes")))
	p := make([]byte, 4)
	for off := int64(0); off < 8; off += 4 {
		if _, err := c.ReadAt(p, off); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(c.Counts().Reads, "reads of", c.Counts().ReadBytes, "bytes")
	// Output: 2 reads of 8 bytes
}

func ExampleFault() {
	work := func(s backend.Storage) error {
		if _, err := s.WriteAt([]byte("data"), 512); err != nil {
			return err
		}
		if _, err := s.WriteAt([]byte("pointer to 512"), 0); err != nil {
			return err
		}
		return s.Sync()
	}
	for n := int64(1); ; n++ {
		s := backendtest.NewFault(backend.NewMemory(nil), backendtest.FaultPlan{Ops: backendtest.OpChange, Nth: n})
		err := work(s)
		if s.Failed() == 0 {
			break // there was no n-th change
		}
		fmt.Println(err)
	}
	// Output:
	// backendtest: injected fault in write 1
	// backendtest: injected fault in write 2
	// backendtest: injected fault in sync 3
}

func ExampleCrash() {
	c := backendtest.NewCrash(nil)
	c.WriteAt([]byte("old"), 0)
	c.Sync()
	c.WriteAt([]byte("new"), 0)

	// Whatever a crash leaves now, it is one of two things.
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	for range 100 {
		seen[string(c.CrashClone(rng).Bytes())] = true
	}
	fmt.Println(seen)

	// A crash may have come earlier, too.
	for n, disk := range c.Prefixes() {
		fmt.Printf("after %d of %d events: %q\n", n, c.Len(), disk.Bytes())
	}
	// Output:
	// map[new:true old:true]
	// after 0 of 3 events: ""
	// after 1 of 3 events: "old"
	// after 2 of 3 events: "old"
	// after 3 of 3 events: "new"
}

// The log of a Crash says what was done, in order.
func ExampleCrashEvent() {
	c := backendtest.NewCrash(nil)
	c.WriteAt([]byte("data"), 512)
	c.Sync()
	for _, e := range c.Events() {
		var op backendtest.Op = e.Op
		fmt.Println(op, e.Off, e.Len, op&backendtest.OpChange != 0)
	}
	// Output:
	// write 512 4 true
	// sync 0 0 true
}
