package exfat

import "time"

// timeOf turns a stored time stamp, its hundredths of a second and its offset
// from UTC, in quarters of an hour if bit 7 is set, into a time (section
// 7.4.8 to 7.4.10). Values that are no date count on as Linux has it.
func timeOf(stamp uint32, hundredths, offset byte) time.Time {
	year, month, day := 1980+int(stamp>>25), time.Month(stamp>>21&15), int(stamp>>16&31)
	hour, minute, second := int(stamp>>11&31), int(stamp>>5&63), int(stamp&31)*2
	t := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	t = t.Add(time.Duration(hundredths) * 10 * time.Millisecond)
	if offset&0x80 != 0 {
		quarters := int8(offset<<1) >> 1 // seven bits with a sign
		t = t.Add(-time.Duration(quarters) * 15 * time.Minute)
	}
	return t
}
