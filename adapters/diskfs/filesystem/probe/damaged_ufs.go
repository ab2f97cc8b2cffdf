package probe

// damagedUFS is a volume whose superblock is lost and whose first copy is there: in the
// first block after the room of the superblock, for each size that blocks may have. The
// copy says in which fragment it lies (fs_sblkno in FreeBSD's sys/ufs/ffs/fs.h).
func damagedUFS(v *volume) Signature {
	for _, first := range ufsSuperblocks {
		for block := int64(4 << 10); block <= 64<<10; block *= 2 {
			at := (first + 8<<10 + block - 1) &^ (block - 1)
			sb := v.bytes(at, 1376)
			if sb == nil {
				continue
			}
			for _, word := range [...]func([]byte) uint32{le.Uint32, be.Uint32} {
				sig := ufsAt(sb, word)
				if sig.Type != "" && int64(word(sb[48:])) == block && int64(word(sb[8:]))*int64(word(sb[52:])) == at {
					return sig
				}
			}
		}
	}
	return Signature{}
}
