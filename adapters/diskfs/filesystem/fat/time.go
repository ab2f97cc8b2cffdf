package fat

import (
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/internal/clusters"
)

// daysBefore is the days of a year before a month. Months that do not exist
// count as Linux counts them.
var daysBefore = [16]int64{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}

// timeOf turns a stored date, time and hundredths of a second into a time.
// FAT stores local time of a zone that it does not tell. Values that
// are no date give what Linux makes of them (fs/fat/misc.c, fat_time_fat2unix).
func (e *engine) timeOf(date, clock uint16, hundredths byte) time.Time {
	const (
		year2100 = 120 // counted from 1980; not a leap year
		day      = 24 * 60 * 60
		epoch    = 365*10 + 2 // days from 1970 to 1980
	)
	year := int64(date >> 9)
	month := max(1, date>>5&15)
	days := year*365 + (year+3)/4 + daysBefore[month] + int64(max(1, date&31)) - 1
	if year > year2100 {
		days--
	}
	if year%4 == 0 && year != year2100 && month > 2 {
		days++
	}
	seconds := (days+epoch)*day + int64(clock>>11)*3600 + int64(clock>>5&63)*60 + int64(clock&31)*2
	return clusters.InZone(time.Unix(seconds+int64(hundredths)/100, int64(hundredths)%100*10_000_000), e.zone)
}
