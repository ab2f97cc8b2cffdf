package qedfile_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// probe says what a file is.
func probe(t *testing.T, name string) string {
	t.Helper()
	f, err := backend.OpenFile(name, os.O_RDONLY, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	format, err := qedfile.Probe(f)
	if err != nil {
		t.Fatal(err)
	}
	return format
}

func TestProbeNamesFormatsByTheirMagic(t *testing.T) {
	at := func(off int, s string) string { return strings.Repeat("\x00", off) + s }
	for content, want := range map[string]string{
		"QED\x00": "qed", "QED": "qed", "QE": "raw", "QEDx": "raw", "": "raw", at(1024, ""): "raw",
		"QFI\xfb\x00\x00\x00\x02": "qcow2", "QFI\xfb\x00\x00\x00\x03": "qcow2", "QFI\xfb\x00\x00\x00\x01": "qcow",
		"KDMV": "vmdk", "COWD": "vmdk", "# Disk DescriptorFile\n": "vmdk", at(64, "\x7f\x10\xda\xbe"): "vdi",
		"vhdxfile": "vhdx", "conectix": "vpc", at(1024, "conectix"+at(504, "")): "vpc", at(1025, "conectix"+at(504, "")): "vpc",
		at(1024, "conectix"+at(505, "")): "raw", "LUKS\xba\xbe": "luks",
		"WithoutFreeSpace": "parallels", "WithouFreSpacExt": "parallels", "Bochs Virtual HD Image": "bochs",
		"#!/bin/sh\n#V2.0 Format\nmodprobe cloop": "cloop", at(1024, "koly"+at(508, "")): "dmg", "sprs": "sparseimage",
		"OOOM\x00\x00\x00\x02": "cow", "EVF\x09\x0d\x0a\xff\x00": "ewf", "EVF2\x0d\x0a\x81\x00": "ewf", "AFF10\r\n\x00": "aff",
		"MSWIM\x00\x00\x00": "wim", "\x3a\xff\x26\xed": "simg", "partclone-image": "partclone", "VMA\x00\x00": "vma",
		"\x1f\x8b\x08\x00": "gz", "\xfd7zXZ\x00": "xz", "\x28\xb5\x2f\xfd": "zst", "BZh91AY&SY": "bz2", "\x04\x22\x4d\x18": "lz4",
		"\x02\x21\x4c\x18": "lz4", "\x89LZO\x00\r\n\x1a\n": "lzo", "\x1f\x9d\x90": "Z", at(257, "ustar\x0000"): "tar", at(257, "ustar  \x00"): "tar",
		"PK\x03\x04": "zip", "PK\x05\x06": "zip", "7z\xbc\xaf\x27\x1c": "7z", "Rar!\x1a\x07": "rar",
	} {
		got, err := qedfile.Probe(backend.NewMemory([]byte(content)))
		if got != want || err != nil {
			t.Errorf("%.40q: %q, %v; want %q", content, got, err, want)
		}
	}
}

func TestFormatTitleIsKnownForAllThatProbeReturns(t *testing.T) {
	for name, want := range map[string]string{
		"qed": "a QED image", "raw": "a raw disk", "qcow2": "a qcow2 image", "tar": "a tar archive, as an OVA is one", "strange": "strange",
	} {
		if got := qedfile.FormatTitle(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestProbeSaysOfAnUnreadableFileThatItIs(t *testing.T) {
	want := errors.New("bad sector")
	if format, err := qedfile.Probe(unreadable{backend.NewMemory(make([]byte, 4096)), want}); !errors.Is(err, want) {
		t.Errorf("%q, %v; want the error", format, err)
	}
}

type unreadable struct {
	backend.Reader
	err error
}

func (u unreadable) ReadAt([]byte, int64) (int, error) { return 0, u.err }

func TestProbeNamesWhatTheRealToolsMake(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for format, qemu := range map[string]string{
		"qcow2": "qcow2", "qcow": "qcow", "vmdk": "vmdk", "vdi": "vdi", "vpc": "vpc", "vhdx": "vhdx", "parallels": "parallels", "qed": "qed", "raw": "raw",
	} {
		oracle.Run(t, "qemu-img", "create", "-q", "-f", qemu, in(format), "10M")
	}
	if err := os.WriteFile(in("data"), []byte(strings.Repeat("some data that is packed, ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed", in("vpc-fixed"), "10M")
	oracle.Run(t, "tar", "-C", dir, "-cf", in("tar"), "data")
	oracle.Run(t, "tar", "-C", dir, "--format=posix", "-cf", in("tar-posix"), "data")
	for format, tool := range map[string]string{"gz": "gzip", "xz": "xz", "zst": "zstd", "bz2": "bzip2", "lz4": "lz4"} {
		packed, err := exec.Command(oracle.Tool(t, tool), "-c", in("data")).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in(format), packed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"qcow2", "qcow", "vmdk", "vdi", "vpc", "vhdx", "parallels", "qed", "raw", "vpc-fixed", "tar", "tar-posix", "gz", "xz", "zst", "bz2", "lz4"} {
		want, _, _ := strings.Cut(name, "-")
		if got := probe(t, in(name)); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
