package ext4_test

import (
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"time"
)

const mib = 1 << 20

// config makes a configuration of mke2fs. The UUIDs and the seed of the
// directories' hashes are always the same.
func config(name string, size int64, args ...string) fstreetest.Config {
	const uuid = "6d7a0f9e-2f0e-4a53-9a3c-0a1b2c3d4e5f"
	return fstreetest.Config{
		Name:  name,
		Size:  size,
		Mkfs:  append([]string{"mke2fs", "-q", "-F", "-U", uuid, "-E", "hash_seed=" + uuid}, args...),
		Mount: "ext4",
		Tree:  fstreetest.Tree{Entries: 60, Extents: 30},
	}
}

func large(c fstreetest.Config) fstreetest.Config {
	c.Large = true
	return c
}

func mounted(c fstreetest.Config, opts string) fstreetest.Config {
	c.Opts = opts
	return c
}

func filled(c fstreetest.Config, t fstreetest.Tree) fstreetest.Config {
	c.Tree = t
	return c
}

var configs = []fstreetest.Config{
	config("ext2-rev0", 8*mib, "-t", "ext2", "-r", "0", "-O", "none"),
	config("ext2-1k", 8*mib, "-t", "ext2", "-b", "1024", "-I", "128"),
	config("ext2-2k-no-filetype", 8*mib, "-t", "ext2", "-b", "2048", "-O", "^filetype,^dir_index,^resize_inode"),
	config("ext2-4k", 8*mib, "-t", "ext2", "-b", "4096", "-I", "256"),
	config("ext3-1k", 8*mib, "-t", "ext3", "-b", "1024", "-I", "128"),
	config("ext3-4k", 16*mib, "-t", "ext3", "-b", "4096"),
	config("ext4-1k", 8*mib, "-t", "ext4", "-b", "1024"),
	config("ext4-2k-inode-1024", 12*mib, "-t", "ext4", "-O", "^has_journal", "-b", "2048", "-I", "1024"),
	config("ext4-4k", 16*mib, "-t", "ext4", "-b", "4096"),
	config("ext4-inode-128", 8*mib, "-t", "ext4", "-O", "^has_journal", "-b", "1024", "-I", "128"),
	config("ext4-inode-4096", 16*mib, "-t", "ext4", "-O", "^has_journal", "-b", "4096", "-I", "4096", "-N", "1000"),
	config("ext4-no-journal", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^has_journal"),
	config("ext4-no-64bit", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^64bit,^metadata_csum,uninit_bg,^has_journal"),
	config("ext4-gdt-csum-64bit", 8*mib, "-t", "ext4", "-b", "1024", "-O", "64bit,^metadata_csum,uninit_bg,^has_journal"),
	config("ext4-no-csum", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg"),
	config("ext4-no-extents", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^extents,^64bit,^has_journal"),
	config("ext4-no-flex-bg", 12*mib, "-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^flex_bg,^has_journal"),
	config("ext4-meta-bg", 12*mib, "-t", "ext4", "-b", "1024", "-g", "512", "-O", "meta_bg,^resize_inode,^has_journal"),
	config("ext4-meta-bg-4k", 24*mib, "-t", "ext4", "-b", "4096", "-g", "256", "-O", "meta_bg,^resize_inode,^has_journal"),
	config("ext4-sparse-super2", 8*mib, "-t", "ext4", "-b", "1024", "-O", "sparse_super2,^resize_inode,^has_journal"),
	config("ext4-no-sparse-super", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^sparse_super,^resize_inode,^has_journal"),
	config("ext4-csum-seed", 8*mib, "-t", "ext4", "-b", "1024", "-O", "metadata_csum_seed,^has_journal"),
	config("ext4-bigalloc", 16*mib, "-t", "ext4", "-b", "1024", "-C", "16384", "-O", "bigalloc,^has_journal"),
	config("ext4-bigalloc-4k", 24*mib, "-t", "ext4", "-b", "4096", "-C", "16384", "-O", "bigalloc,^has_journal"),
	config("ext4-inline-data", 8*mib, "-t", "ext4", "-b", "1024", "-I", "256", "-O", "inline_data,^has_journal"),
	config("ext4-inline-data-inode-1024", 12*mib, "-t", "ext4", "-b", "2048", "-I", "1024", "-O", "inline_data,^has_journal"),
	config("ext4-ea-inode", 8*mib, "-t", "ext4", "-b", "1024", "-O", "ea_inode,^has_journal"),
	config("ext4-large-dir", 8*mib, "-t", "ext4", "-b", "1024", "-O", "large_dir,^has_journal"),
	config("ext4-no-dir-index", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^dir_index,^has_journal"),
	config("ext4-no-filetype", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^filetype,^has_journal"),
	config("ext4-no-huge-file", 8*mib, "-t", "ext4", "-b", "1024", "-O", "^huge_file,^dir_nlink,^extra_isize,^has_journal"),
	config("ext4-mmp", 8*mib, "-t", "ext4", "-b", "1024", "-O", "mmp,^has_journal"),
	config("ext4-orphan-file", 8*mib, "-t", "ext4", "-b", "1024", "-O", "orphan_file"),
	config("ext4-stable-inodes", 8*mib, "-t", "ext4", "-b", "1024", "-O", "stable_inodes,encrypt,^has_journal"),

	filled(config("ext4-ordinary", 4*mib, "-t", "ext4", "-b", "1024", "-O", "^has_journal"), fstreetest.Tree{Entries: 20, Plain: true}),
}

// largeConfigs are not committed.
func largeConfigs() []fstreetest.Config {
	many := fstreetest.Tree{Entries: 20000, Extents: 2000, Huge: true}
	all := []fstreetest.Config{
		large(filled(config("ext4-many", 256*mib, "-t", "ext4", "-N", "40000"), many)),
	}
	if oracle.Long() {
		all = append(all,
			large(filled(config("ext4-1k-many", 256*mib, "-t", "ext4", "-b", "1024", "-N", "40000"), many)),
			large(filled(config("ext4-1k-deep", 512*mib, "-t", "ext4", "-b", "1024", "-N", "4000"), fstreetest.Tree{Extents: 32000})),
			large(filled(config("ext2-1k-many", 256*mib, "-t", "ext2", "-b", "1024", "-N", "40000"), many)),
			large(filled(config("ext3-4k-many", 256*mib, "-t", "ext3", "-b", "4096", "-N", "40000"), many)),
		)
	}
	return all
}

// populated makes a configuration that the kernel at hand does not mount:
// mke2fs fills it from a directory, which is the oracle. mke2fs keeps times
// to the second alone, in 32 bits, reads the files, and cuts holes by whole blocks.
func populated(name string, size int64, args ...string) fstreetest.Config {
	c := config(name, size, append(args, "-d", "DIR")...)
	c.Populated, c.LostFound = true, true
	c.Skip = fstreetest.SkipIno | fstreetest.SkipDirSize | fstreetest.SkipBlocks |
		fstreetest.SkipAtime | fstreetest.SkipBtime | fstreetest.SkipHoles
	c.Adjust = func(r *fstreetest.Record) {
		for _, t := range []*time.Time{r.Mtime, r.Ctime} {
			*t = time.Unix(int64(int32(t.Unix())), 0)
		}
	}
	c.SkipAt = func(r *fstreetest.Record) fstreetest.Skip {
		if r.Path == "." { // mke2fs makes it itself
			return fstreetest.SkipMtime | fstreetest.SkipCtime
		}
		return 0
	}
	return c
}

var unmountable = []fstreetest.Config{
	populated("ext4-8k", 24*mib, "-t", "ext4", "-b", "8192", "-O", "^has_journal"),
	populated("ext4-16k", 32*mib, "-t", "ext4", "-b", "16384", "-O", "^has_journal,^extents,^64bit"),
	populated("ext4-32k", 48*mib, "-t", "ext4", "-b", "32768", "-O", "^has_journal,flex_bg"),
	populated("ext4-64k", 64*mib, "-t", "ext4", "-b", "65536", "-O", "^has_journal"),
	populated("ext2-64k", 64*mib, "-t", "ext2", "-b", "65536"),
	populated("ext4-casefold", 16*mib, "-t", "ext4", "-b", "4096", "-O", "^has_journal,casefold", "-E", "encoding=utf8"),
	populated("ext4-quota", 16*mib, "-t", "ext4", "-b", "4096", "-O", "^has_journal,quota,project", "-E", "quotatype=usrquota:grpquota:prjquota"),
	populated("ext4-verity", 16*mib, "-t", "ext4", "-b", "4096", "-O", "^has_journal,verity"),
}
