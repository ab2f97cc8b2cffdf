package exfat

import (
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
)

// timeOf turns a stored time stamp, its hundredths of a second and its offset
// from UTC, in quarters of an hour if bit 7 is set, into a time (sections
// 7.4.8 to 7.4.10). Without an offset it is of the zone that was given.
func (e *engine) timeOf(stamp uint32, hundredths, offset byte) time.Time {
	days := daysSince1970(1980+int64(stamp>>25), int64(stamp>>21&15), int64(stamp>>16&31))
	seconds := days*24*60*60 + int64(stamp>>11&31)*3600 + int64(stamp>>5&63)*60 + int64(stamp&31)*2
	zone := e.zone
	if offset&0x80 != 0 {
		zone = nil
		quarters := int8(offset<<1) >> 1 // seven bits with a sign
		seconds -= int64(quarters) * 15 * 60
	}
	return clusters.InZone(time.Unix(seconds+int64(hundredths)/100, int64(hundredths)%100*10_000_000), zone)
}

// daysSince1970 counts as Linux does (kernel/time/time.c, mktime64), which
// matters for months and days that do not exist.
func daysSince1970(year, month, day int64) int64 {
	if month -= 2; month <= 0 { // the year begins in March, with its leap day last
		month += 12
		year--
	}
	return year/4 - year/100 + year/400 + 367*month/12 + day + year*365 - 719499
}
