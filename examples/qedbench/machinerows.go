package main

import "fmt"

// machineRows compare the way to the formats of virtual machines and back. Both
// sides have the copy on the disk before they end.
func (b *bench) machineRows(each func(row) error) error {
	raw, err := b.half(2 * gib)
	if err != nil {
		return err
	}
	mixed, err := b.mixed(512 * mib)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		format, raw, options string
		target               float64
	}{
		{"vmdk", raw, "subformat=monolithicSparse", 0.85},
		{"vmdk", mixed, "subformat=streamOptimized", 1},
		{"vdi", raw, "static=off", 0.85},
		{"vpc", raw, "subformat=dynamic,force_size=on", 0.85},
		{"vhdx", raw, "subformat=dynamic", 0.85},
	} {
		name := c.format + " " + c.options
		image, err := b.made("bench-"+c.options+"."+c.format, func(path string) error {
			return tool("qemu-img", "convert", "-f", "raw", "-O", c.format, "-o", c.options, c.raw, path)
		})
		if err != nil {
			return err
		}
		for _, way := range []struct {
			name string
			args []string
		}{
			{"raw to " + name, []string{b.qed, "convert", "-f", "raw", "-O", c.format, "-o", c.options, c.raw}},
			{name + " to raw", []string{b.qed, "convert", "-f", c.format, "-O", "raw", image}},
		} {
			ours, theirs := b.dir+"/out-a", b.dir+"/out-b"
			qemu := append([]string{"sh", "-c", `qemu-img "$@" -W -m 16 && for f; do :; done && sync "$f"`, "sh"}, way.args[1:]...)
			err := each(row{fmt.Sprintf("convert %s", way.name),
				fresh(command("qed convert", append(way.args, ours)...), ours),
				[]opponent{{fresh(command("qemu-img convert -W -m 16, sync", append(qemu, theirs)...), theirs), c.target}}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
