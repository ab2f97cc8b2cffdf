package qedfile

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// DirtyPolicy says what happens when an image that was not closed properly is
// opened for writing.
type DirtyPolicy uint8

const (
	// DirtyRepair checks the image and repairs it as [Image.Check] does with
	// RepairAll. What cannot be repaired fails with [ErrNeedsRepair].
	DirtyRepair DirtyPolicy = iota

	// DirtyCheck opens the image if a check finds nothing that only a repair
	// which loses data could mend; else it fails with [ErrNeedsRepair].
	DirtyCheck

	// DirtyKeep opens the image as it is. It stays marked dirty until it is
	// repaired: for programs that do that themselves.
	DirtyKeep
)

// beginWriting prepares a newly opened image for being changed.
func (m *Image) beginWriting(policy DirtyPolicy) error {
	w := &m.write
	w.idle = sync.NewCond(&w.mu)
	w.ordered = m.backing != nil
	if m.header.Load().NeedCheck() {
		if err := m.repairDirty(policy); err != nil {
			return err
		}
	}
	w.wasDirty = m.header.Load().NeedCheck()
	m.openedEnd = m.end.Load()
	if m.header.Load().AutoclearFeatures == 0 {
		return nil
	}
	// Whoever set a bit that is not known here must see that somebody else
	// wrote to the image (QED specification, "autoclear_features").
	return m.updateHeader(func(h *Header) { h.AutoclearFeatures = 0 })
}

func (m *Image) repairDirty(policy DirtyPolicy) error {
	opts := &CheckOptions{}
	switch policy {
	case DirtyKeep:
		return nil
	case DirtyRepair:
		opts.Repair = RepairAll
	}
	report, err := m.Check(context.Background(), opts)
	if errors.Is(err, ErrNeedsRepair) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNeedsRepair, err)
	}
	if m.logger != nil {
		m.logger.Info("image was not closed properly", "corruptions", report.Corruptions, "leaks", report.Leaks,
			"corruptions fixed", report.CorruptionsFixed, "leaks fixed", report.LeaksFixed)
	}
	if !report.Clean() {
		return fmt.Errorf("%w: %d corruptions and %d unreadable tables", ErrNeedsRepair, report.Corruptions, report.CheckErrors)
	}
	return m.setNeedCheck(false)
}
