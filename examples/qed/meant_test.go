package main

import "testing"

func TestSpellingsAreAsFarApartAsTheLettersThatDiffer(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"home", "home", 0},
		{"home", "hoem", 1}, // side by side
		{"home", "hme", 1},
		{"home", "homes", 1},
		{"home", "hume", 1},
		{"größe", "grosse", 3},
		{"größe", "größer", 1},
		{"os-release", "os-relaese", 1},
		{"abc", "ca", 3},
		{"", "abc", 3},
		{"kitten", "sitting", 3},
	} {
		for _, most := range []int{9, test.want + 1} {
			if got := spellingDistance(test.a, test.b, most); got != test.want {
				t.Errorf("%s, %s, at most %d: %d, want %d", test.a, test.b, most, got, test.want)
			}
		}
		if got := spellingDistance(test.a, test.b, 1); min(got, 1) != min(test.want, 1) {
			t.Errorf("%s, %s: %d, which is counted to 1 alone", test.a, test.b, got)
		}
	}
}
