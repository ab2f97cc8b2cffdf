package qedfile

import (
	"errors"
	"testing"
)

func TestTablesThatPanicWhileTheyAreLoadedLetOthersGoOn(t *testing.T) {
	c := newTableCache(1<<20, 4096)
	loading, release := make(chan struct{}), make(chan struct{})
	panicked, waited := make(chan any, 1), make(chan error, 1)
	go func() {
		defer func() { panicked <- recover() }()
		c.get(7, false, func() (*tableSlice, error) {
			close(loading)
			<-release
			panic("broken storage")
		})
	}()
	<-loading
	own := errors.New("loaded by the one who waited")
	go func() {
		_, err := c.get(7, false, func() (*tableSlice, error) { return nil, own })
		waited <- err
	}()
	close(release)
	if got := <-panicked; got != "broken storage" {
		t.Errorf("the one who loaded got the panic %v", got)
	}
	// It waited, or came only when the other was gone.
	if err := <-waited; !errors.Is(err, errPanicked) && !errors.Is(err, own) {
		t.Errorf("the one who waited got %v", err)
	}
	if _, err := c.get(7, false, func() (*tableSlice, error) { return nil, own }); !errors.Is(err, own) {
		t.Errorf("a later one got %v, want a load of its own", err)
	}
}
