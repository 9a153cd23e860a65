package ui

import "strconv"

// Count is a number of things in words: 1 secret, 2 secrets.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
