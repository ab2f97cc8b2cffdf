package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"text/tabwriter"
	"time"
)

// row is a line of the table: our side is compared with each opponent. The
// target is the most that our time may be of theirs.
type row struct {
	name      string
	ours      side
	opponents []opponent
}

type opponent struct {
	side
	target float64
}

// peakLimit is what a process may take: 64 MiB and the cache budget of an
// image, a backing file and a filesystem.
const peakLimit = (64 + 3*16) * mib

func (b *bench) table(match *regexp.Regexp) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "work\tours\tCPU\tpeak\tagainst\ttheirs\tCPU\tratio\tof CPU\ttarget\t\t")
	var lines []judged
	err := b.rows(func(r row) error {
		if !match.MatchString(r.name) {
			return nil
		}
		of, err := b.line(w, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		lines = append(lines, of...)
		return w.Flush()
	})
	if err != nil {
		return err
	}
	counted, err := b.counts(match, w)
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	summarize(os.Stdout, append(lines, counted...))
	return nil
}

// line measures a row and prints it, a line for each opponent.
func (b *bench) line(w io.Writer, r row) ([]judged, error) {
	sides := []side{r.ours}
	for _, o := range r.opponents {
		sides = append(sides, o.side)
	}
	done, err := watch()
	if err != nil {
		return nil, err
	}
	results, err := b.inTurn(sides)
	if err != nil {
		return nil, err
	}
	busy, err := done()
	if err != nil {
		return nil, err
	}
	var lines []judged
	ours := results[0]
	for i, o := range r.opponents {
		theirs := results[i+1]
		l := judged{work: r.name, against: o.name, target: o.target, verdict: judge(ours, theirs, o.target, busy)}
		l.wall = median(ours.wall).Seconds() / median(theirs.wall).Seconds()
		l.cpu = median(ours.cpu).Seconds() / max(median(theirs.cpu).Seconds(), 1e-6)
		fmt.Fprintf(w, "%s\t%v\t%v\t%s\t%s\t%v\t%v\t%.2f\t%.2f\t%.2f\t%s\t%v\n", r.name,
			round(median(ours.wall)), round(median(ours.cpu)), peak(ours.peak),
			o.name, round(median(theirs.wall)), round(median(theirs.cpu)), l.wall, l.cpu, o.target, l.verdict, busy)
		lines = append(lines, l)
	}
	return lines, nil
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func peak(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d MiB", n/mib)
}

// group is rows that share their images, which are made when they are needed.
type group struct {
	name string
	rows func(each func(row) error) error
}

// groups are in the order that they are measured in. Those that are read in this
// process come last: a child counts the memory of the process that it began as.
func (b *bench) groups() []group {
	return []group{
		{"empty", b.emptyRows}, {"check", b.checkRows}, {"files", b.fileRows}, {"convert", b.convertRows},
		{"qcow2", b.qcow2Rows}, {"machines", b.machineRows}, {"write", b.writeRows}, {"nbd", b.nbdRows}, {"mount", b.mountRows},
		{"existing", b.onExistingRows}, {"list", b.listRows}, {"tar", b.tarRows}, {"cp", b.cpRows}, {"serve", b.serveRows},
		{"small", b.smallRows}, {"root", b.rootRow}, {"read", b.readRows},
	}
}

// rows calls each with the rows of the groups that were asked for.
func (b *bench) rows(each func(row) error) error {
	for _, g := range b.groups() {
		if !b.only.MatchString(g.name) {
			continue
		}
		if err := g.rows(each); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return nil
}

func (b *bench) convertRows(each func(row) error) error {
	raw, err := b.half(4 * gib)
	if err != nil {
		return err
	}
	qed, err := b.halfQED(4 * gib)
	if err != nil {
		return err
	}
	out := func(name string) string { return b.dir + "/out-" + name }
	convert := func(name string, args ...string) side {
		made := args[len(args)-1]
		return fresh(command(name, args...), made)
	}
	err = each(row{"convert QED to raw, 4 GiB half full",
		convert("qed convert", b.qed, "convert", "-O", "raw", qed, out("a")),
		[]opponent{
			{convert("qemu-img convert", "qemu-img", "convert", "-f", "qed", "-O", "raw", qed, out("b")), 0.6},
			{convert("qemu-img convert -W -m 16", "qemu-img", "convert", "-W", "-m", "16", "-f", "qed", "-O", "raw", qed, out("c")), 0.85},
			{convert("cp --sparse (the limit)", "cp", "--sparse=always", "--reflink=never", raw, out("d")), 99},
		}})
	if err != nil {
		return err
	}
	return each(row{"convert raw to QED, 4 GiB half full",
		convert("qed convert", b.qed, "convert", "-f", "raw", "-O", "qed", raw, out("a")),
		[]opponent{{convert("qemu-img convert", "qemu-img", "convert", "-f", "raw", "-O", "qed", raw, out("b")), 0.6}}})
}

func (b *bench) emptyRows(each func(row) error) error {
	image, err := b.empty(1024 * gib)
	if err != nil {
		return err
	}
	out := b.dir + "/out"
	for _, work := range [][]string{{"info"}, {"map", "--output=json"}, {"check"}, {"convert", "-O", "raw"}} {
		ours, theirs := append([]string{b.qed}, work...), append([]string{"qemu-img"}, work...)
		ours, theirs = append(ours, image), append(theirs, image)
		if work[0] == "convert" {
			ours, theirs = append(ours, out), append(theirs, out)
		}
		err := each(row{"empty 1 TiB image: " + work[0],
			fresh(command("qed", ours...), out), []opponent{{fresh(command("qemu-img", theirs...), out), 1}}})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) checkRows(each func(row) error) error {
	image, err := b.clusters(1000000)
	if err != nil {
		return err
	}
	return each(row{"check, 1,000,000 clusters",
		command("qed check", b.qed, "check", image),
		// qemu-img 7.2 ends with 3 here: leaks that are not there.
		[]opponent{{command("qemu-img check", "sh", "-c", `qemu-img check "$0" || [ $? = 3 ]`, image), 0.5}}})
}

func (b *bench) writeRows(each func(row) error) error {
	ours, theirs := b.dir+"/write-a.qed", b.dir+"/write-b.qed"
	created := func(s side, name string) side {
		s = fresh(s, name)
		s.prepare = func() error { return tool("qemu-img", "create", "-q", "-f", "qed", name, "2G") }
		return s
	}
	a := created(inProcess("qedfile", func() error { return allocate(ours, gib) }), ours)
	q := created(command("qemu-img bench -w", "qemu-img", "bench", "-w", "-f", "qed", "-c", "16384", "-s", "64k", "-d", "1", "-t", "writeback", theirs), theirs)
	return each(row{"1 GiB of allocating 64 KiB writes", a, []opponent{{q, 1 / 1.5}}})
}

func (b *bench) fileRows(each func(row) error) error {
	for _, kind := range []string{"ext4", "xfs"} {
		raw, qed, err := b.files(kind, 20000, 12400)
		if err != nil {
			return err
		}
		err = b.mounted(raw, kind, "loop,ro", func(mnt string) error {
			opponents := []opponent{
				{command("find -ls on the kernel's mount", "find", mnt, "-ls"), 0.8},
			}
			if kind == "ext4" { // the others do not read XFS
				opponents = append(opponents,
					opponent{command("7z l", "7z", "l", raw), 0.8},
					opponent{command("fls -r -p", "fls", "-r", "-p", raw), 0.8})
			}
			err := each(row{"ls -R of 20,000 files, " + kind, command("qed ls -R", b.qed, "ls", "-R", qed), opponents})
			if err != nil {
				return err
			}
			return each(row{"tar of 20,000 files, 248 MB, " + kind,
				command("qed tar", "sh", "-c", `"$0" tar "$1" | cat > /dev/null`, b.qed, qed),
				[]opponent{{command("tar on the kernel's mount", "sh", "-c", `tar -C "$0" -c . | cat > /dev/null`, mnt), 1}}})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
