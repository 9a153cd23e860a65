package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	safe "github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// printable is text on one line that does nothing to where it is shown: what is
// not to be seen (escape sequences, characters that turn the direction of text
// round) is replaced by U+FFFD, line ends and tabs by blanks.
func printable(text string) string {
	return strings.Join(strings.Fields(strings.Map(shown, strings.ToValidUTF8(text, "\uFFFD"))), " ")
}

// lines is like printable for each line of a text.
func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = printable(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// command is like printable, but keeps runs of blanks: it is to be copied. A line
// end in it becomes a blank, so that pasting it runs nothing.
func command(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return shown(r)
	}, strings.ToValidUTF8(text, "\uFFFD")))
}

// brief is printable for what stands beside the point, in a cell of a table.
func brief(text string) string { return cut(printable(text), 300) }

func shown(r rune) rune {
	if unicode.IsSpace(r) || safe.Safe(r) {
		return r
	}
	return '\uFFFD'
}

func count(n int, one, many string) string { return ui.Count(n, one, many) }

// about says what was checked, from where and by what; empty where that is not known.
func about(a drift.About) string {
	var parts []string
	for _, p := range [][2]string{{"catalog ", a.Catalog}, {"pass at ", a.Store}, {"on ", a.Host}, {"by secret-rotation ", a.Version}} {
		if p[1] != "" {
			parts = append(parts, p[0]+brief(p[1]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	text := strings.Join(parts, ", ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func number(x float64) string {
	return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
}

// day and minute are moments in UTC: a page is read elsewhere than where it was made.
func day(t time.Time) string { return drift.Day(t) }

func minute(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return drift.Moment(t)
}

// roughly is a span in its largest unit.
func roughly(d time.Duration) string {
	const aDay = 24 * time.Hour
	switch {
	case d >= aDay:
		return count(int(d/aDay), "day", "days")
	case d >= time.Hour:
		return count(int(d/time.Hour), "hour", "hours")
	case d >= time.Minute:
		return count(int(d/time.Minute), "minute", "minutes")
	}
	return count(int(d/time.Second), "second", "seconds")
}

// seconds is a duration that a report gives; one that cannot be is shown as an end
// of what can.
func seconds(s float64) string {
	s = max(0, min(s, 1e6))
	if s < 9.95 {
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%.0f s", s)
}
