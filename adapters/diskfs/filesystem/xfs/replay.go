package xfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
)

// Types of items (XFS_LI_*). A done item has its intent's type plus one.
const (
	itemExtentFree = 0x1236 // the first intent
	itemInode      = 0x123b
	itemBuffer     = 0x123c
	itemInodeMake  = 0x123f
	itemMapUpdate  = 0x1244
	itemMapDone    = 0x1245
	itemAttr       = 0x1246
	itemAttrDone   = 0x1247
	itemExchange   = 0x1248
	itemExchDone   = 0x1249
)

// Flags of a buffer item (XFS_BLF_*).
const (
	bufferInodes    = 0x01 // only the lists of unlinked inodes in it
	bufferCancelled = 0x02 // freed: what was logged of it before is void
	bufferQuota     = 0x1c
)

const (
	bufferMapAt = 20  // bytes of a buffer item before its bitmap
	bufferChunk = 128 // bytes that one bit stands for
	minIntent   = 16
)

// bufferID is how a cancelled buffer is known: its first sector and length.
type bufferID struct {
	sector int64
	length int // sectors
}

// replay applies the log to an overlay, as fs/xfs/xfs_log_recover.c and the
// xlog_recover_*_commit_pass2 functions beside it do.
type replay struct {
	sb        *superblock
	size      int64 // bytes of the volume
	overlay   *overlay
	order     binary.ByteOrder
	cancelled map[bufferID]int
	voidAt    map[int64]int      // how many cancelled buffers begin at a sector
	made      int64              // bytes of new inodes
	intents   map[uint64]*intent // of those that change what is seen: those not done
	begun     int                // intents so far
}

// intent is the beginning of an operation of several transactions.
type intent struct {
	place    int       // among all of them
	mappings []mapping // nil for what is not carried out here
}

func newReplay(r io.ReaderAt, size int64, sb *superblock) *replay {
	return &replay{
		sb: sb, size: size, overlay: newOverlay(r),
		cancelled: map[bufferID]int{}, voidAt: map[int64]int{}, intents: map[uint64]*intent{},
	}
}

// replayed is what came of the log.
type replayed struct {
	overlay *overlay // nil if nothing was replayed
	dirty   bool
	notes   []string // what was done, and what could not be

	mappings []mapping // that are to be carried out now
	others   int       // operations that nothing carries out
}

// replayLog brings the volume to where the kernel would when mounting it. A
// log that cannot be replayed is left aside, as the kernel's mount option
// norecovery does. The error is that of a disk that fails.
func replayLog(r io.ReaderAt, size int64, sb *superblock) (replayed, error) {
	start, ok := sb.blockOffset(sb.logStart, uint64(sb.logBlocks))
	length := int64(sb.logBlocks) << sb.blockLog
	switch {
	case sb.logStart == 0:
		return replayed{notes: []string{"the log is on another device and was not looked at"}}, nil
	case !ok || length == 0 || start > size-length:
		return replayed{notes: []string{"the log lies outside the volume and was not looked at"}}, nil
	}
	j := &journal{r: r, start: start, sectors: length / sectorSize, v2: sb.logV2, v5: sb.v5}
	s, err := j.span()
	if err == nil && s.clean {
		return replayed{}, nil
	}
	out := replayed{dirty: true}
	p := newReplay(r, size, sb)
	if err == nil {
		err = p.formatOf(s.last)
	}
	if err == nil {
		err = p.run(j, s)
		p.overlay.freeze()
		out.overlay = p.overlay
	}
	switch {
	case errors.Is(err, errLogDamaged) && out.overlay != nil:
		out.notes = append(out.notes, fmt.Sprintf("the log was replayed in memory as far as it is whole: %v", err))
	case errors.Is(err, errLogDamaged), errors.Is(err, errOverlayFull), errors.Is(err, fstree.ErrUnsupported):
		return replayed{dirty: true, notes: []string{fmt.Sprintf("the log was not replayed: %v", err)}}, nil
	case err != nil:
		return replayed{}, fmt.Errorf("xfs: %w", err)
	default:
		out.notes = append(out.notes, "the log was replayed in memory")
	}
	out.mappings, out.others = p.unfinished()
	return out, nil
}

// run reads the log twice: what buffers are void has to be known before any is
// written. It stops before what is damaged.
func (p *replay) run(j *journal, s span) error {
	end, damage := p.pass(j, s, p.noteCancelled)
	if damage != nil && !errors.Is(damage, errLogDamaged) {
		return damage
	}
	s.head = end
	_, err := p.pass(j, s, p.apply)
	return errors.Join(err, damage)
}

// formatOf takes the byte order from a record, and sees to it that the log is
// this filesystem's.
func (p *replay) formatOf(r *record) error {
	switch format := binary.BigEndian.Uint32(r.header[300:]); {
	case p.sb.logFeatures != 0:
		return fmt.Errorf("a log with features %#x: %w", p.sb.logFeatures, fstree.ErrUnsupported)
	case format == 1:
		p.order = binary.LittleEndian
	case format == 2:
		p.order = binary.BigEndian
	default:
		return fmt.Errorf("a log of format %d: %w", format, fstree.ErrUnsupported)
	}
	if !bytes.Equal(r.header[304:320], p.sb.uuid[:]) {
		return fmt.Errorf("it belongs to another filesystem: %w", errLogDamaged)
	}
	return nil
}

// pass hands all transactions of a span to commit, and tells where it ended.
func (p *replay) pass(j *journal, s span, commit func(*transaction) error) (at int64, err error) {
	d := decoder{order: p.order, open: map[uint32]*transaction{}, commit: commit}
	done := int64(0)
	for at = s.tail; at != s.head; {
		r, err := j.record(at)
		if err != nil {
			return at, err
		}
		if done += r.size(); done > j.sectors {
			return at, fmt.Errorf("records longer than the log: %w", errLogDamaged)
		}
		data, err := j.data(r)
		if err != nil {
			return at, err
		}
		if err := d.record(r, data); err != nil {
			return at, err
		}
		at = (at + r.size()) % j.sectors
	}
	return at, nil
}

func (p *replay) itemType(it *item) uint16 { return p.order.Uint16(it.regions[0]) }

// noteCancelled is what the first pass does with a transaction.
func (p *replay) noteCancelled(t *transaction) error {
	for i := range t.items {
		if p.itemType(&t.items[i]) != itemBuffer {
			continue
		}
		b, err := p.buffer(&t.items[i])
		if err != nil {
			return err
		}
		if b.flags&bufferCancelled != 0 {
			p.cancelled[b.id]++
			p.voidAt[b.id.sector]++
		}
	}
	return nil
}

// apply is what the second pass does with a transaction: first whole buffers and
// new inodes, then what changes inodes, last what voids buffers.
func (p *replay) apply(t *transaction) error {
	slices.SortStableFunc(t.items, func(a, b item) int { return p.rank(&a) - p.rank(&b) })
	for i := range t.items {
		it := &t.items[i]
		if len(it.regions) != it.total {
			return fmt.Errorf("%d of %d regions of an item: %w", len(it.regions), it.total, errLogDamaged)
		}
		if err := p.applyItem(it, t.lsn); err != nil {
			return err
		}
	}
	return nil
}

func (p *replay) rank(it *item) int {
	switch p.itemType(it) {
	case itemInodeMake:
		return 0
	case itemBuffer:
		var flags uint16
		if len(it.regions[0]) >= bufferMapAt {
			flags = p.order.Uint16(it.regions[0][4:])
		}
		switch {
		case flags&bufferCancelled != 0:
			return 3
		case flags&bufferInodes != 0:
			return 2
		}
		return 0
	}
	return 1
}

func (p *replay) applyItem(it *item, lsn uint64) error {
	switch kind := p.itemType(it); kind {
	case itemBuffer:
		return p.applyBuffer(it, lsn)
	case itemInode:
		return p.applyInode(it, lsn)
	case itemInodeMake:
		return p.makeInodes(it)
	case itemMapUpdate, itemAttr, itemExchange, itemMapDone, itemAttrDone, itemExchDone:
		if len(it.regions[0]) < minIntent {
			return fmt.Errorf("an intent of %d bytes: %w", len(it.regions[0]), errLogDamaged)
		}
		p.noteIntent(kind, it.regions[0])
	}
	// What frees space, counts references or keeps quotas changes nothing
	// that is read here.
	return nil
}

// noteIntent keeps an intent until its end comes.
func (p *replay) noteIntent(kind uint16, b []byte) {
	id := p.order.Uint64(b[8:])
	if kind%2 != 0 {
		delete(p.intents, id)
		return
	}
	p.begun++
	in := &intent{place: p.begun}
	if kind == itemMapUpdate {
		in.mappings = decodeMappings(b, p.order)
	}
	p.intents[id] = in
}

// unfinished takes the intents that have no end apart: changes of files in
// their order, and how many others there are.
func (p *replay) unfinished() (list []mapping, others int) {
	left := slices.SortedFunc(maps.Values(p.intents), func(a, b *intent) int { return a.place - b.place })
	for _, in := range left {
		list = append(list, in.mappings...)
		if in.mappings == nil {
			others++
		}
	}
	return list, others
}

// buffer is a decoded buffer item (struct xfs_buf_log_format).
type buffer struct {
	id    bufferID
	flags uint16
	bits  []uint32 // the chunks that follow
}

func (p *replay) buffer(it *item) (buffer, error) {
	b := it.regions[0]
	if len(b) < bufferMapAt {
		return buffer{}, fmt.Errorf("a buffer item of %d bytes: %w", len(b), errLogDamaged)
	}
	out := buffer{
		flags: p.order.Uint16(b[4:]),
		id:    bufferID{sector: int64(p.order.Uint64(b[8:])), length: int(p.order.Uint16(b[6:]))},
	}
	words := int(min(p.order.Uint32(b[16:]), uint32(len(b)-bufferMapAt)/4))
	for i := range words {
		out.bits = append(out.bits, p.order.Uint32(b[bufferMapAt+4*i:]))
	}
	if !p.inside(out.id.sector, int64(out.id.length)) {
		return buffer{}, fmt.Errorf("a buffer of %d sectors at sector %d: %w", out.id.length, out.id.sector, errLogDamaged)
	}
	return out, nil
}

// inside tells whether sectors are the volume's. They may lie past the
// filesystem's end, where the log holds that it grew.
func (p *replay) inside(sector, n int64) bool {
	return sector >= 0 && n > 0 && sector <= p.size/sectorSize-n
}

// applyBuffer writes the chunks of a buffer that were logged, unless it was
// freed later or was itself written later.
func (p *replay) applyBuffer(it *item, lsn uint64) error {
	b, err := p.buffer(it)
	if err != nil {
		return err
	}
	if b.flags&bufferCancelled != 0 {
		p.cancelled[b.id]--
		p.voidAt[b.id.sector]--
		return nil
	}
	if p.cancelled[b.id] > 0 || b.flags&(bufferInodes|bufferQuota) != 0 {
		return nil
	}
	first, err := p.overlay.load(b.id.sector*sectorSize, sectorSize)
	if err != nil {
		return err
	}
	if written, ok := p.sb.writtenAt(first); ok && written >= lsn {
		return nil
	}
	region := 1
	for bit := b.next(0); bit >= 0; {
		if region >= len(it.regions) {
			return fmt.Errorf("a buffer with %d regions: %w", len(it.regions), errLogDamaged)
		}
		// A run of chunks may be cut into several regions.
		n := min(b.run(bit), len(it.regions[region])/bufferChunk)
		if n == 0 || (bit+n)*bufferChunk > b.id.length*sectorSize {
			return fmt.Errorf("a buffer's chunks %d+%d: %w", bit, n, errLogDamaged)
		}
		if err := p.overlay.write(it.regions[region][:n*bufferChunk], b.id.sector*sectorSize+int64(bit*bufferChunk)); err != nil {
			return err
		}
		region++
		bit = b.next(bit + n)
	}
	return nil
}

// next is the first bit that is set from one on, -1 if there is none.
func (b *buffer) next(bit int) int {
	for ; bit < len(b.bits)*32; bit++ {
		if b.set(bit) {
			return bit
		}
	}
	return -1
}

// run counts the bits that are set from one on.
func (b *buffer) run(bit int) int {
	n := 0
	for bit+n < len(b.bits)*32 && b.set(bit+n) {
		n++
	}
	return n
}

func (b *buffer) set(bit int) bool { return b.bits[bit/32]>>(bit%32)&1 != 0 }

// writtenAt is the log sequence number that version 5 keeps in a block, from
// the block's first sector (xlog_recover_get_buf_lsn). Blocks of another
// filesystem, which were there before, count as not written.
func (sb *superblock) writtenAt(b []byte) (lsn uint64, ok bool) {
	if !sb.v5 {
		return 0, false
	}
	be := binary.BigEndian
	lsnAt, uuidAt := 0, 0
	switch string(b[:4]) {
	case "AB3B", "AB3C", "RMB3", "R3FC", "IAB3", "FIB3":
		lsnAt, uuidAt = 24, 32
	case "BMA3":
		lsnAt, uuidAt = 32, 40
	case "XAGF":
		lsnAt, uuidAt = 208, 64
	case "XAFL":
		lsnAt, uuidAt = 24, 8
	case "XAGI":
		lsnAt, uuidAt = 320, 296
	case "XSLM":
		lsnAt, uuidAt = 48, 16
	case "XDB3", "XDD3", "XDF3":
		lsnAt, uuidAt = 16, 24
	case "XFSB":
		return be.Uint64(b[240:]), true
	default:
		switch be.Uint16(b[8:]) {
		case leafMagicV5, leafNodeMagicV5, nodeMagicV5, attrLeafMagicV5:
			lsnAt, uuidAt = 24, 32
		default:
			return 0, false
		}
	}
	return be.Uint64(b[lsnAt:]), bytes.Equal(b[uuidAt:uuidAt+16], sb.metaUUID[:])
}
