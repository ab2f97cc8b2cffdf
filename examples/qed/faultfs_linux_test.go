//go:build !386 && !arm && !mips && !mipsle

package main

import (
	"sync"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// faultFS is a directory of the host, mounted, of whose calls one fails: what
// a command meets on a bad disk, whichever of its packages makes the call.
type faultFS struct {
	fuse.RawFileSystem

	mu     sync.Mutex
	left   int // calls until one fails; 0 fails none
	status fuse.Status
	failed string // the call that did
}

// mountFaults mounts dir, and returns where.
func mountFaults(t *testing.T, dir string) (*faultFS, string) {
	t.Helper()
	oracle.Root(t)
	oracle.File(t, "/dev/fuse")
	root, err := fs.NewLoopbackRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := t.TempDir()
	var never time.Duration // the kernel asks each time
	f := &faultFS{RawFileSystem: fs.NewNodeFS(root, &fs.Options{EntryTimeout: &never, AttrTimeout: &never, NegativeTimeout: &never})}
	server, err := fuse.NewServer(f, at, &fuse.MountOptions{FsName: "faults", Name: "faults", DirectMount: true, DisableReadDirPlus: true})
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return f, at
}

// arm makes the n-th call from now on fail with a status; 0 makes none fail.
func (f *faultFS) arm(n int, status fuse.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.status, f.failed = n, status, ""
}

// fired is the call that failed, or "".
func (f *faultFS) fired() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *faultFS) fault(call string) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		return fuse.OK
	}
	if f.left--; f.left > 0 {
		return fuse.OK
	}
	f.failed = call
	return f.status
}

func (f *faultFS) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := f.fault("open"); !s.Ok() {
		return s
	}
	s := f.RawFileSystem.Open(cancel, in, out)
	out.OpenFlags |= fuse.FOPEN_DIRECT_IO // each read and write is a call
	return s
}

func (f *faultFS) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if s := f.fault("create"); !s.Ok() {
		return s
	}
	s := f.RawFileSystem.Create(cancel, in, name, out)
	out.OpenFlags |= fuse.FOPEN_DIRECT_IO
	return s
}

func (f *faultFS) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if s := f.fault("read"); !s.Ok() {
		return nil, s
	}
	return f.RawFileSystem.Read(cancel, in, buf)
}

func (f *faultFS) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := f.fault("write"); !s.Ok() {
		return 0, s
	}
	return f.RawFileSystem.Write(cancel, in, data)
}

func (f *faultFS) CopyFileRange(cancel <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	if s := f.fault("copy_file_range"); !s.Ok() {
		return 0, s
	}
	return f.RawFileSystem.CopyFileRange(cancel, in)
}

func (f *faultFS) Lseek(cancel <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	if s := f.fault("lseek"); !s.Ok() {
		return s
	}
	return f.RawFileSystem.Lseek(cancel, in, out)
}

func (f *faultFS) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	if s := f.fault("fallocate"); !s.Ok() {
		return s
	}
	return f.RawFileSystem.Fallocate(cancel, in)
}

func (f *faultFS) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status {
	return f.fault("fsync") // no test waits for the disk
}

func (f *faultFS) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status {
	return f.fault("fsync of a directory") // no test waits for the disk
}

func (f *faultFS) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	if s := f.fault("close"); !s.Ok() {
		return s
	}
	return f.RawFileSystem.Flush(cancel, in)
}

func (f *faultFS) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	call := "attributes"
	if _, ok := in.GetSize(); ok {
		call = "truncate"
	}
	if s := f.fault(call); !s.Ok() {
		return s
	}
	return f.RawFileSystem.SetAttr(cancel, in, out)
}

func (f *faultFS) Rename(cancel <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if s := f.fault("rename"); !s.Ok() {
		return s
	}
	return f.RawFileSystem.Rename(cancel, in, from, to)
}

func (f *faultFS) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	if s := f.fault("link"); !s.Ok() {
		return s
	}
	return f.RawFileSystem.Link(cancel, in, name, out)
}

func (f *faultFS) Symlink(cancel <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	if s := f.fault("symlink"); !s.Ok() {
		return s
	}
	return f.RawFileSystem.Symlink(cancel, in, target, name, out)
}

func (f *faultFS) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if s := f.fault("mkdir"); !s.Ok() {
		return s
	}
	return f.RawFileSystem.Mkdir(cancel, in, name, out)
}

func (f *faultFS) Unlink(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	if s := f.fault("unlink"); !s.Ok() {
		return s
	}
	return f.RawFileSystem.Unlink(cancel, in, name)
}
