package main

import "strings"

// examples are the lines that the help of each subcommand shows. A test runs
// them.
var examples = map[string]string{
	"amend": `
qed convert -O qcow2 -o cluster_size=128k disk.qcow2 other.qcow2`,
	"bench": `
qed bench -c 1000 -s 64k disk.qed`,
	"cat": `
qed cat disk.qed /etc/os-release
qed cat disk.qed p2/etc/os-release`,
	"check": `
qed check disk.qed
qed check -r all disk.qed`,
	"commit": `
qed commit overlay.qed`,
	"compact": `
qed compact disk.qed small.qed`,
	"compare": `
qed compare disk.qed copy.qed
qed compare -F raw disk.qed disk.raw`,
	"completion": `
qed completion bash > completion.bash`,
	"convert": `
qed convert -p -O raw disk.qed copy.raw
qed convert -f raw -O qed disk.raw new.qed
qed convert -c -O qcow2 disk.qed disk.qcow2
qed convert -B base.qed -F qed -O qed overlay.qed copy-of-overlay.qed`,
	"cp": `
qed cp disk.qed p2/etc/os-release .
qed cp disk.qed p2/etc etc-of-the-image`,
	"create": `
qed create new.qed 10G
qed create -b base.qed -F qed new-overlay.qed`,
	"dd": `
qed dd if=disk.qed of=first.raw bs=1M count=2`,
	"df": `
qed df -h disk.qed`,
	"diff": `
qed diff old.qed new.qed
qed diff old.qed new.qed p2/etc`,
	"du": `
qed du disk.qed p2/var`,
	"dump": `
qed dump disk.qed p2 root.img`,
	"find": `
qed find disk.qed p2/etc --name '*.yaml'
qed find disk.qed / -type f -size -10k ! -path '/var/*'
qed find disk.qed / --content hostname
qed find -0 disk.qed p2 --newer 2020-01-01 -type f | xargs -0 qed cat disk.qed`,
	"hash": `
qed hash disk.qed p2/etc
qed hash -C p2 disk.qed | head -n 3
qed hash --mtree -C p2 disk.qed > root.mtree
qed hash --bodyfile disk.qed / > root.body`,
	"info": `
qed info disk.qed
qed info --backing-chain --output json overlay.qed`,
	"inspect": `
qed inspect disk.qed
qed inspect --output json disk.qed`,
	"io": `
qed io -c 'write -P 0x11 64k 128k' -c 'read -P 0x11 64k 128k' -c map disk.qed`,
	"ls": `
qed ls disk.qed
qed ls -l disk.qed p2/etc
qed ls -ltr --color=always disk.qed p2/etc
qed ls -R --output json disk.qed p2
qed ls https://example.org/images/disk.qed p2/etc`,
	"man": `
qed man > qed.1`,
	"map": `
qed map disk.qed
qed map --svg disk.svg disk.qed`,
	"measure": `
qed measure -O qed disk.qed
qed measure -O qed --size 10G`,
	"mount": `
qed mount disk.qed /mnt
qed mount -C p2 disk.qed /mnt
qed mount disk.qed / /mnt
qed mount --block disk.qed /mnt`,
	"nbd": `
qed nbd -r disk.qed
qed nbd -r -t -k disk.sock --volume p1 --volume p2 disk.qed`,
	"rebase": `
qed rebase -b base-2.qed -F qed overlay.qed
qed rebase -b "" overlay.qed`,
	"resize": `
qed resize disk.qed +1G
qed resize --shrink disk.qed 64M`,
	"serve": `
qed serve disk.qed
qed serve --listen 127.0.0.1:0 disk.qed`,
	"shell": `
qed shell disk.qed`,
	"stat": `
qed stat disk.qed p2/etc/os-release`,
	"tar": `
qed tar -C p2 disk.qed > root.tar
qed tar -z -f etc.tar.gz disk.qed /etc/hostname /etc/os-release
qed tar --zstd --file root.tar.zst -C p2 disk.qed etc
qed tar -C p2 disk.qed | tar -x --xattrs --xattrs-include='*' --acls -C root`,
	"tree": `
qed tree -L 2 disk.qed p2`,
	"version": `
qed version`,
	"volumes": `
qed volumes disk.qed
qed volumes --output json disk.qed`,
}

// exampleOf returns the examples of a subcommand as its help shows them.
func exampleOf(name string) string {
	return strings.ReplaceAll(examples[name], "\n", "\n  ")[min(1, len(examples[name])):]
}
