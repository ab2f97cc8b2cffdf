package btrfs

import (
	"errors"
	"iter"
	"slices"
	"sort"
)

const (
	changesInPart = 256      // a part that grows beyond is cut in two
	maxChanged    = 64 << 20 // bytes of memory that changed items may take
	changeWeight  = 64       // bytes of memory of one besides its data
)

var errTooManyChanges = errors.New("it changes too much to be held in memory")

// changes are items that stand in for those of a stored tree, in the order of
// their keys: what the replay of a log has written and deleted. They lie in
// parts, so that an item among many is quickly put in. One goroutine makes
// them; then they are safe for many. A nil *changes has none.
type changes struct {
	parts [][]change
	held  int // bytes
}

// change is an item, or with data nil the lack of one.
type change struct {
	key  key
	data []byte
}

// part is where a key is or belongs.
func (c *changes) part(k key) int {
	return max(0, sort.Search(len(c.parts), func(i int) bool { return k.less(c.parts[i][0].key) })-1)
}

func search(part []change, k key) (int, bool) {
	i := sort.Search(len(part), func(i int) bool { return !part[i].key.less(k) })
	return i, i < len(part) && part[i].key == k
}

// set makes data the item with a key; nil deletes it.
func (c *changes) set(k key, data []byte) error {
	if c.held += len(data) + changeWeight; c.held > maxChanged {
		return errTooManyChanges
	}
	if len(c.parts) == 0 {
		c.parts = [][]change{{{k, data}}}
		return nil
	}
	p := c.part(k)
	i, found := search(c.parts[p], k)
	if found {
		c.parts[p][i].data = data
		return nil
	}
	part := slices.Insert(c.parts[p], i, change{k, data})
	c.parts[p] = part
	if len(part) > changesInPart {
		half := len(part) / 2
		c.parts[p] = part[:half:half]
		c.parts = slices.Insert(c.parts, p+1, slices.Clone(part[half:]))
	}
	return nil
}

// get returns what stands for a key; ok is false where the stored tree counts.
func (c *changes) get(k key) (found change, ok bool) {
	if c == nil || len(c.parts) == 0 {
		return change{}, false
	}
	part := c.parts[c.part(k)]
	i, ok := search(part, k)
	if !ok {
		return change{}, false
	}
	return part[i], true
}

// between returns the changes from one key up to another.
func (c *changes) between(from, to key) []change {
	if c == nil || len(c.parts) == 0 {
		return nil
	}
	var found []change
	for p := c.part(from); p < len(c.parts) && !to.less(c.parts[p][0].key); p++ {
		part := c.parts[p]
		i, _ := search(part, from)
		for ; i < len(part) && !to.less(part[i].key); i++ {
			found = append(found, part[i])
		}
	}
	return found
}

// last returns the last item from low up to high.
func (c *changes) last(low, high key) (change, bool) {
	if c == nil || len(c.parts) == 0 {
		return change{}, false
	}
	for p := c.part(high); p >= 0; p-- {
		part := c.parts[p]
		for i := sort.Search(len(part), func(i int) bool { return high.less(part[i].key) }) - 1; i >= 0; i-- {
			if part[i].key.less(low) {
				return change{}, false
			}
			if part[i].data != nil {
				return part[i], true
			}
		}
	}
	return change{}, false
}

// over yields stored items with the changes among them.
func (c *changes) over(stored iter.Seq2[item, error], from, to key) iter.Seq2[item, error] {
	changed := c.between(from, to)
	if len(changed) == 0 {
		return stored
	}
	return func(yield func(item, error) bool) {
		// until yields the changes whose keys precede one.
		until := func(k key) bool {
			for len(changed) > 0 && changed[0].key.less(k) {
				next := changed[0]
				changed = changed[1:]
				if next.data != nil && !yield(item(next), nil) {
					return false
				}
			}
			return true
		}
		for it, err := range stored {
			if err != nil {
				if !yield(it, err) {
					return
				}
				continue
			}
			if !until(it.key) {
				return
			}
			if len(changed) > 0 && changed[0].key == it.key {
				continue // the change comes in its stead
			}
			if !yield(it, nil) {
				return
			}
		}
		for _, rest := range changed {
			if rest.data != nil && !yield(item(rest), nil) {
				return
			}
		}
	}
}
