package fat

import "unicode"

// codepage437 is what bytes from 0x80 on mean in a short name: the code page
// of the IBM PC, and what Linux takes unless it is told otherwise.
const codepage437 = "" +
	"ÇüéâäàåçêëèïîìÄÅ" +
	"ÉæÆôöòûùÿÖÜ¢£¥₧ƒ" +
	"áíóúñÑªº¿⌐¬½¼¡«»" +
	"░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
	"└┴┬├─┼╞╟╚╔╩╦╠═╬╧" +
	"╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀" +
	"αßΓπΣσµτΦΘΩδ∞φε∩" +
	"≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0"

// codepage is the two tables of a code page: as stored, and lower case as far
// as the code page has the lower-case letter.
type codepage struct {
	upper, lower [256]rune
}

func newCodepage(high string) *codepage {
	var c codepage
	has := map[rune]bool{}
	for i := range 128 {
		c.upper[i] = rune(i)
	}
	i := 128
	for _, r := range high {
		c.upper[i] = r
		has[r] = true
		i++
	}
	for i, r := range c.upper {
		c.lower[i] = r
		if l := unicode.ToLower(r); l < 128 || has[l] {
			c.lower[i] = l
		}
	}
	return &c
}
