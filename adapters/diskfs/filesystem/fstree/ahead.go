package fstree

import (
	"runtime"
	"sync"
)

const (
	aheadDirs   = 8   // directories of one level that are read ahead
	aheadInodes = 256 // inodes that one task reads
	aheadMost   = 4   // goroutines
)

// task is work that is done once: by the walk when it needs the result, or by a
// goroutine that works ahead.
type task struct {
	once sync.Once
	run  func()
}

func (t *task) do() { t.once.Do(t.run) }

// ahead is the goroutines that work ahead of a walk. They begin with the
// first task and end with the walk.
type ahead struct {
	queue chan *task
	wg    sync.WaitGroup
	dirs  bool // the walk enters directories: a listing of one alone skips them
}

// offer gives a task to a goroutine that is free. If none is free soon, the walk
// does it in the end.
func (a *ahead) offer(t *task) {
	if a.queue == nil {
		n := min(runtime.GOMAXPROCS(0)-1, aheadMost)
		a.queue = make(chan *task, 2*n)
		for range n {
			a.wg.Go(func() {
				for t := range a.queue {
					t.do()
				}
			})
		}
	}
	select {
	case a.queue <- t:
	default:
	}
}

func (a *ahead) stop() {
	if a.queue == nil {
		return
	}
	close(a.queue)
	for range a.queue { // what nobody has begun is not begun
	}
	a.wg.Wait()
}

// listing is a directory on a walk. It does not know its path: those of all the
// directories above each other would add up to the square of their number.
type listing struct {
	tree   *tree
	id     ID
	names  task // reads list
	list   []dirEntry
	err    error
	inodes []task // each reads aheadInodes of list, if the walk wants them

	subs   []*listing // of the directories in list, where they are announced
	looked bool       // lookAhead has been here
}

func newListing(t *tree, id ID, stat bool) *listing {
	l := &listing{tree: t, id: id}
	l.names.run = func() {
		l.list, l.err = t.listGuarded(id)
		if stat {
			l.planInodes()
		}
		if t.placer != nil {
			l.planSubs(stat)
		}
	}
	return l
}

// planSubs makes the listings of the directories in a directory.
func (l *listing) planSubs(stat bool) {
	for i := range l.list {
		if l.list[i].IsDir() {
			l.subs = append(l.subs, newListing(l.tree, l.list[i].id, stat))
		}
	}
}

// planInodes divides the inodes into tasks, and reads a small directory's at
// once, unless they are to be announced with those of other directories. An
// inode that cannot be read is an error where it is used.
func (l *listing) planInodes() {
	l.inodes = make([]task, (len(l.list)+aheadInodes-1)/aheadInodes)
	for i := range l.inodes {
		part := l.list[i*aheadInodes : min((i+1)*aheadInodes, len(l.list))]
		l.inodes[i].run = func() {
			for j := range part {
				if info, err := part[j].Info(); err == nil {
					part[j].info = info.(*fileInfo)
				}
			}
		}
	}
	if len(l.inodes) > 0 && l.tree.placer == nil {
		l.inodes[0].do()
	}
}

// aheadWindow looks ahead in a directory that is being walked: at its inodes
// and at the directories in it.
type aheadWindow struct {
	ahead   *ahead
	listing *listing
	subs    []*listing // offered and not reached yet, at most aheadDirs
	seen    int        // entries of the listing that were looked at for them
	chunks  int        // tasks of inodes that were offered
	told    int        // entries whose inodes were announced
}

// next brings the window to entry i, waits for its inode, and returns the
// entry's listing if it is a directory.
func (w *aheadWindow) next(i int) *listing {
	l := w.listing
	w.announce(i)
	for ; w.chunks < len(l.inodes) && w.chunks <= i/aheadInodes+aheadMost; w.chunks++ {
		if w.chunks > i/aheadInodes {
			w.ahead.offer(&l.inodes[w.chunks])
		}
	}
	if len(l.inodes) > 0 {
		l.inodes[i/aheadInodes].do()
	}
	w.lookFurther(i)
	if !l.list[i].IsDir() {
		return nil
	}
	sub := w.subs[0]
	w.subs = w.subs[1:]
	return sub
}

// lookFurther brings the directories up to entry i into the window, and those
// that come next.
func (w *aheadWindow) lookFurther(i int) {
	l := w.listing
	if l.tree.placer != nil {
		w.lookTogether(i)
		return
	}
	if w.seen > i && len(w.subs) > aheadDirs/2 {
		return // until there are some to offer together: waking somebody costs more than a directory
	}
	for ; w.seen <= i || w.ahead.dirs && w.seen < len(l.list) && len(w.subs) < aheadDirs; w.seen++ {
		if d := &l.list[w.seen]; d.IsDir() {
			sub := newListing(l.tree, d.id, l.inodes != nil)
			w.subs = append(w.subs, sub)
			if w.seen > i {
				w.ahead.offer(&sub.names)
			}
		}
	}
}

// lookTogether is lookFurther where directories are announced: many at a time.
func (w *aheadWindow) lookTogether(i int) {
	l := w.listing
	if w.seen == 0 {
		w.subs = l.subs
	}
	w.seen = i + 1
	if l.list[i].IsDir() && w.ahead.dirs && !w.subs[0].looked {
		l.tree.lookAhead(w.subs, l.inodes != nil)
	}
}

// announce announces the inodes from entry i on, some thousands at a time.
func (w *aheadWindow) announce(i int) {
	l := w.listing
	if l.tree.placer == nil || i+announcedInodes/2 < w.told || w.told == len(l.list) {
		return
	}
	end := min(i+announcedInodes, len(l.list))
	l.tree.announceInodes(l.list[w.told:end], l.inodes == nil)
	w.told = end
}
