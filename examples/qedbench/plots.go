package main

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/qedfs/qedfs/qedfile"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// curve says how the cost of one piece of work grows.
type curve struct {
	name, title, x string
	at             []int64
	logX           bool
	work           func(n int64) (side, error)
}

// plots measures every curve and writes plots/NAME.svg and plots/NAME.csv. The
// CSV begins with the machine and the date.
func (b *bench) plots(match *regexp.Regexp) error {
	if err := os.MkdirAll("plots", 0o755); err != nil {
		return err
	}
	for _, c := range b.curves() {
		if !match.MatchString(c.name) {
			continue
		}
		var points plotter.XYs
		for _, n := range c.at {
			s, err := c.work(n)
			if err != nil {
				return fmt.Errorf("%s, %d: %w", c.name, n, err)
			}
			results, err := b.inTurn([]side{s})
			if err != nil {
				return fmt.Errorf("%s, %d: %w", c.name, n, err)
			}
			ms := float64(median(results[0].wall).Microseconds()) / 1000
			fmt.Printf("%s\t%d\t%.3f ms\n", c.name, n, ms)
			points = append(points, plotter.XY{X: float64(n), Y: ms})
		}
		if err := c.write(points); err != nil {
			return err
		}
	}
	return nil
}

func (c *curve) write(points plotter.XYs) error {
	f, err := os.Create(filepath.Join("plots", c.name+".csv"))
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(f, "# %s; %s, %d cores, %s\n", c.title, machine(), runtime.NumCPU(), time.Now().Format(time.DateOnly))
	w := csv.NewWriter(f)
	_ = w.Write([]string{c.x, "milliseconds"})
	for _, p := range points {
		_ = w.Write([]string{strconv.FormatFloat(p.X, 'f', -1, 64), strconv.FormatFloat(p.Y, 'f', 3, 64)})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return c.draw(points)
}

func (c *curve) draw(points plotter.XYs) error {
	p := plot.New()
	p.Title.Text = c.title
	p.X.Label.Text, p.Y.Label.Text = c.x, "milliseconds"
	p.Y.Min = 0
	if c.logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	blue := color.RGBA{R: 0x1f, G: 0x5f, B: 0xa8, A: 0xff}
	line.Color, line.Width, dots.Color = blue, vg.Points(1.5), blue
	p.Add(plotter.NewGrid(), line, dots)
	p.Y.Max *= 1.1
	return p.Save(16*vg.Centimeter, 9*vg.Centimeter, filepath.Join("plots", c.name+".svg"))
}

// machine is the name of the processor.
func machine() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func (b *bench) curves() []curve {
	return []curve{
		{"files", "qed ls -R of an ext4 volume", "files", []int64{10000, 100000, 1000000, 3000000, 10000000}, false, func(n int64) (side, error) {
			_, qed, err := b.files("ext4", int(n), 0)
			return command("qed", b.qed, "ls", "-R", qed), err
		}},
		{"virtual-size", "qed convert of an empty image", "GiB virtual", []int64{1, 16, 256, 4096, 65536}, true, func(n int64) (side, error) {
			image, err := b.sized(n * gib)
			out := b.dir + "/out"
			// A raw file of 64 TiB is more than most filesystems hold.
			return fresh(command("qed", b.qed, "convert", "-O", "qed", "-o", "cluster_size=131072,table_size=16", image, out), out), err
		}},
		{"backing", "reading 64 MiB through a chain of backing files", "layers of backing", []int64{1, 2, 4, 8, 16}, false, func(n int64) (side, error) {
			image, err := b.chain(int(n))
			return inProcess("qedfile", func() error { return readWhole(image) }), err
		}},
		{"fragmentation", "reading 256 MiB in sequence", "percent of clusters out of order", []int64{0, 25, 50, 75, 100}, false, func(n int64) (side, error) {
			image, err := b.fragmented(int(n))
			return inProcess("qedfile", func() error { return readWhole(image) }), err
		}},
	}
}

func (b *bench) sized(size int64) (string, error) {
	return b.made(fmt.Sprintf("sized-%d.qed", size/gib), func(path string) error {
		img, err := qedfile.Create(path, size, &qedfile.CreateOptions{ClusterSize: 128 << 10, TableSize: 16})
		if err != nil {
			return err
		}
		return img.Close()
	})
}

// chain is an image over n others, each of which holds its share of 64 MiB,
// cluster by cluster.
func (b *bench) chain(n int) (string, error) {
	const size, cluster = 64 * mib, 64 << 10
	dir, err := b.made(fmt.Sprintf("chain-%d", n), func(path string) error {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		block := make([]byte, cluster)
		for layer := range n + 1 {
			opts := &qedfile.CreateOptions{}
			if layer > 0 {
				opts.BackingFile = fmt.Sprintf("%d.qed", layer-1)
			}
			name := filepath.Join(path, fmt.Sprintf("%d.qed", layer))
			opts.Backing = qedfile.SiblingBacking(name)
			img, err := qedfile.Create(name, size, opts)
			if err != nil {
				return err
			}
			for off := int64(layer) * cluster; off < size; off += int64(n+1) * cluster {
				block[0] = byte(layer + 1)
				if _, err := img.WriteAt(block, off); err != nil {
					return err
				}
			}
			if err := img.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	return filepath.Join(dir, fmt.Sprintf("%d.qed", n)), err
}

// fragmented is an image whose clusters were written in order but for a part
// of them.
func (b *bench) fragmented(percent int) (string, error) {
	const size, cluster = 256 * mib, 64 << 10
	return b.made(fmt.Sprintf("fragmented-%d.qed", percent), func(path string) error {
		img, err := qedfile.Create(path, size, nil)
		if err != nil {
			return err
		}
		order := make([]int, size/cluster)
		for i := range order {
			order[i] = i
		}
		rng := rand.New(rand.NewPCG(3, 4))
		var moved []int
		for i := range order {
			if rng.IntN(100) < percent {
				moved = append(moved, i)
			}
		}
		for i, k := range rng.Perm(len(moved)) {
			order[moved[i]] = moved[k]
		}
		block := make([]byte, cluster)
		for _, i := range order {
			block[0] = byte(i) | 1
			if _, err := img.WriteAt(block, int64(i)*cluster); err != nil {
				return err
			}
		}
		return img.Close()
	})
}

func readWhole(name string) error {
	img, err := qedfile.Open(name, &qedfile.Options{Backing: qedfile.SiblingBacking(name)})
	if err != nil {
		return err
	}
	defer img.Close()
	block := make([]byte, mib)
	for off := int64(0); off < img.Size(); off += int64(len(block)) {
		if _, err := img.ReadAt(block, off); err != nil {
			return err
		}
	}
	return nil
}
