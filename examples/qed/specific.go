package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/qedfs/qedfs/adapters/images"
	"github.com/qedfs/qedfs/adapters/images/layer"
	"github.com/qedfs/qedfs/examples/qed/internal/bytesize"
	"github.com/qedfs/qedfs/examples/qed/internal/qemutext"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

// snapshotInfo has the keys of qemu-img info for an internal snapshot.
type snapshotInfo struct {
	ICount      *int64 `json:"icount,omitempty"`
	ClockNsec   int64  `json:"vm-clock-nsec"`
	Name        string `json:"name"`
	DateSec     int64  `json:"date-sec"`
	DateNsec    int64  `json:"date-nsec"`
	ClockSec    int64  `json:"vm-clock-sec"`
	ID          string `json:"id"`
	VMStateSize int64  `json:"vm-state-size"`
}

func newSnapshotInfo(s *layer.Snapshot) snapshotInfo {
	info := snapshotInfo{
		ClockSec: s.ClockNsec / 1e9, ClockNsec: s.ClockNsec % 1e9, Name: s.Name, ID: s.ID,
		DateSec: s.DateSec, DateNsec: s.DateNsec, VMStateSize: s.VMStateSize,
	}
	if s.ICount != -1 {
		info.ICount = &s.ICount
	}
	return info
}

// printSnapshots prints the table of qemu-img info.
func printSnapshots(w io.Writer, list []snapshotInfo) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "Snapshot list:\n%-10s%-17s%8s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT")
	for _, s := range list {
		icount := ""
		if s.ICount != nil {
			icount = fmt.Sprint(*s.ICount)
		}
		clock := fmt.Sprintf("%02d:%02d:%02d.%03d", s.ClockSec/3600, s.ClockSec/60%60, s.ClockSec%60, s.ClockNsec/1e6)
		fmt.Fprintf(w, "%-9s %-16s %8s%20s%13s%11s\n", show.Text(s.ID), show.Text(s.Name), bytesize.Format(s.VMStateSize),
			time.Unix(s.DateSec, 0).Format(time.DateTime), clock, icount)
	}
}

// formatSpecific is what only one format has to say.
type formatSpecific struct {
	Type string        `json:"type"`
	Data qemutext.Dict `json:"data"`

	details []layer.Detail // Data as people read it
}

func newFormatSpecific(about *images.Info) *formatSpecific {
	if len(about.Details) == 0 {
		return nil
	}
	return &formatSpecific{about.Format, detailMap(about.Details), about.Details}
}

func detailMap(details []layer.Detail) qemutext.Dict {
	m := make(qemutext.Dict, len(details))
	for _, d := range details {
		if groups, ok := d.Value.([][]layer.Detail); ok {
			list := []any{}
			for _, g := range groups {
				list = append(list, detailMap(g))
			}
			m[d.Key] = list
		} else {
			m[d.Key] = d.Value
		}
	}
	return m
}

// print writes the lines of qemu-img info.
func (s *formatSpecific) print(w io.Writer) {
	if s == nil {
		return
	}
	fmt.Fprintln(w, "Format specific information:")
	printDetails(w, "    ", s.details)
}

func printDetails(w io.Writer, indent string, details []layer.Detail) {
	for _, d := range details {
		key := strings.ReplaceAll(d.Key, "-", " ")
		switch v := d.Value.(type) {
		case [][]layer.Detail:
			fmt.Fprintf(w, "%s%s:\n", indent, key)
			for i, g := range v {
				fmt.Fprintf(w, "%s    [%d]:\n", indent, i)
				printDetails(w, indent+"        ", g)
			}
		case []string:
			fmt.Fprintf(w, "%s%s:", indent, key)
			for i, s := range v {
				fmt.Fprintf(w, "\n%s    [%d]: %s", indent, i, show.Text(s))
			}
			fmt.Fprintln(w)
		case string:
			fmt.Fprintf(w, "%s%s: %s\n", indent, key, show.Text(v))
		default:
			fmt.Fprintf(w, "%s%s: %v\n", indent, key, v)
		}
	}
}
