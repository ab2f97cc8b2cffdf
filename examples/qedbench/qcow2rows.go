package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
)

// qcow2Rows compare the way to qcow2 images and back, uncompressed and
// compressed. Both sides have the copy on the disk before they end.
func (b *bench) qcow2Rows(each func(row) error) error {
	raw, err := b.half(4 * gib)
	if err != nil {
		return err
	}
	mixed, err := b.mixed(512 * mib)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name, raw, options string
		compress           bool
		target             float64
	}{
		{"4 GiB half full", raw, "compat=1.1", false, 0.85},
		{"zlib, 512 MiB half full", mixed, "compression_type=zlib", true, 1},
		{"zstd, 512 MiB half full", mixed, "compression_type=zstd", true, 1},
	} {
		image, err := b.made(fmt.Sprintf("bench-%.4s-%s.qcow2", c.name, c.options), func(path string) error {
			return tool(toQcow2("qemu-img", c.compress, "-f", "raw", "-O", "qcow2", "-o", c.options, c.raw, path)...)
		})
		if err != nil {
			return err
		}
		for _, way := range []struct {
			name string
			args []string
		}{
			{"raw to qcow2, ", toQcow2(b.qed, c.compress, "-f", "raw", "-O", "qcow2", "-o", c.options, c.raw)},
			{"qcow2 to raw, ", []string{b.qed, "convert", "-f", "qcow2", "-O", "raw", image}},
		} {
			a, q := b.dir+"/out-a", b.dir+"/out-b"
			theirs := append([]string{"sh", "-c", `qemu-img "$@" -W -m 16 && for f; do :; done && sync "$f"`, "sh"}, way.args[1:]...)
			err := each(row{"convert " + way.name + c.name,
				fresh(command("qed convert", append(way.args, a)...), a),
				[]opponent{{fresh(command("qemu-img convert -W -m 16, sync", append(theirs, q)...), q), c.target}}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// toQcow2 is a command line, without the name of the image to make.
func toQcow2(program string, compress bool, args ...string) []string {
	line := []string{program, "convert"}
	if compress {
		line = append(line, "-c")
	}
	return append(line, args...)
}

// mixed is a raw disk half full of Go's sources, with every fourth part replaced
// by noise.
func (b *bench) mixed(size int64) (string, error) {
	return b.made(fmt.Sprintf("mixed-%d.raw", size/mib), func(path string) error {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("go env GOROOT: %w", err)
		}
		text := exec.Command("sh", "-c", `while cat "$0"/src/*/*.go; do :; done 2>&-`, strings.TrimSpace(string(root)))
		stream, err := text.StdoutPipe()
		if err != nil {
			return err
		}
		if err := text.Start(); err != nil {
			return err
		}
		err = writeMixed(path, size, stream)
		stream.Close() // which ends the program
		text.Wait()
		return err
	})
}

func writeMixed(path string, size int64, text io.Reader) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	noise := rand.NewChaCha8([32]byte{2})
	for i, off := 0, int64(0); off < size; i, off = i+1, off+16*mib {
		from := text
		if i%4 == 3 {
			from = noise
		}
		if _, err := io.CopyN(io.NewOffsetWriter(f, off), from, 8*mib); err != nil {
			return err
		}
	}
	return f.Truncate(size)
}
