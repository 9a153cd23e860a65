// Package near finds the name that was probably meant.
package near

import "strings"

// Nearest is the known name that a slip of the fingers turns into name: at most
// a third of it wrong, or its beginning. Empty where none is.
func Nearest(name string, known []string) string {
	best, most := "", max(1, len(name)/3)+1
	for _, k := range known {
		d := distance(strings.ToLower(name), k)
		if len(name) >= 2 && strings.HasPrefix(k, strings.ToLower(name)) {
			d = 1
		}
		if d < most {
			best, most = k, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with their
// neighbour.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
