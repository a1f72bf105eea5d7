package records

import (
	"fmt"
	"strings"
	"unicode"
)

// invisible reports characters that nobody sees and that make two texts that look the same different: zero-width ones,
// marks of direction, a byte order mark inside a file, soft hyphens.
func invisible(r rune) bool {
	switch r {
	case '\u00ad', '\u180e', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff':
		return true
	}
	return unicode.Is(unicode.Bidi_Control, r)
}

// blank reports what may stand round a value without being part of it.
func blank(r rune) bool { return unicode.IsSpace(r) || invisible(r) }

// isBlank reports a cell that holds nothing to see.
func isBlank(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !blank(r) })
}

// trim takes blanks and invisible characters from both ends of a value.
func trim(text string) string { return strings.TrimFunc(text, blank) }

// fold makes names comparable: without case, blanks, line breaks, hyphens, underscores and invisible characters.
func fold(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || blank(r) {
			return -1
		}
		return r
	}, name))
}

// maxSeen is how much of a cell an error shows.
const maxSeen = 40

// visible writes a cell for a person: what cannot be seen becomes an escape.
func visible(text string) string {
	var b strings.Builder
	count := 0
	for i, r := range text {
		if count++; count > maxSeen {
			b.WriteString("…")
			break
		}
		switch {
		case r == unicode.ReplacementChar && text[i] != '\xef':
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r != ' ' && (blank(r) || unicode.Is(unicode.Mn, r) || !unicode.IsPrint(r)):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// codePoint names a character in an error.
func codePoint(r rune) string { return fmt.Sprintf("U+%04X", r) }

// similar returns the name among candidates that a misspelt one may have meant, or "".
func similar(name string, candidates []string) string {
	folded, best, bestDistance := fold(name), "", 3
	if len(folded) < 4 {
		bestDistance = 2
	}
	for _, candidate := range candidates {
		if d := distance(folded, fold(candidate), bestDistance); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance is the number of letters to change, add, leave out or swap between two texts, limit if there are as many.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) >= limit || len(y)-len(x) >= limit || len(x) > 100 {
		return limit
	}
	before, previous, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, previous[j+1]+1, previous[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, previous, row = previous, row, before
	}
	return min(previous[len(y)], limit)
}
