package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sanmarcsoft/secret-rotation/internal/printable"
)

// Cell is one field of a table. Paint colours it after it was lined up; nil
// leaves it plain. Only a row's last cell may have several lines.
type Cell struct {
	Text  string
	Paint func(string) string
	// Below follows a last cell on a line of its own and is never wrapped: a
	// command to be copied.
	Below string
}

// least is the narrowest that the last column is wrapped to: below that it goes
// under the others, on lines of its own.
const least = 22

// Table lines rows up, below a header (nil: none). columns is the width of the
// terminal: a row's last cell is wrapped to stay within it. 0 wraps nothing, so
// that every row that is piped to another program is one line. A row's last
// cell does not widen its column.
func Table(out io.Writer, columns int, header []string, rows [][]Cell) {
	const margin, gap = 2, 2
	if header != nil {
		cells := make([]Cell, 0, len(header))
		for _, text := range header {
			cells = append(cells, Cell{Text: text})
		}
		rows = append([][]Cell{cells}, rows...)
	}
	rows = printableRows(rows)
	widths := map[int]int{}
	for _, row := range rows {
		for i, c := range row[:len(row)-1] {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	for at, row := range rows {
		last, left := row[len(row)-1], margin
		for i := range row[:len(row)-1] {
			left += widths[i] + gap
		}
		below := columns > 0 && columns-left < least
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", margin))
		for i, c := range row[:len(row)-1] {
			b.WriteString(c.painted(c.Text) + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.Text)+gap))
		}
		if below {
			_, _ = fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
			if at > 0 || header == nil { // what heads the last column would stand alone
				last.write(out, strings.Repeat(" ", 2*margin), columns, "")
			}
			continue
		}
		last.write(out, strings.Repeat(" ", left), columns, b.String())
	}
}

// printableRows are the rows with all text fit for a terminal. Only the lines of
// a last cell are kept apart.
func printableRows(rows [][]Cell) [][]Cell {
	out := make([][]Cell, 0, len(rows))
	for _, row := range rows {
		row = slices.Clone(row)
		for i := range row {
			var lines []string
			for line := range strings.SplitSeq(row[i].Text, "\n") {
				lines = append(lines, printable.Line(line))
			}
			between := "; "
			if i == len(row)-1 {
				between = "\n"
			}
			row[i].Text, row[i].Below = strings.Join(lines, between), printable.Line(row[i].Below)
		}
		out = append(out, row)
	}
	return out
}

func (c Cell) painted(text string) string {
	if c.Paint == nil || text == "" {
		return text
	}
	return c.Paint(text)
}

// write prints the cell's lines, the first behind what stands on it already.
func (c Cell) write(out io.Writer, indent string, columns int, first string) {
	for i, line := range Wrap(c.Text, columns-len(indent), columns > 0) {
		before := indent
		if i == 0 && first != "" {
			before = first
		}
		_, _ = fmt.Fprintln(out, strings.TrimRight(before+c.painted(line), " "))
	}
	if c.Below != "" {
		_, _ = fmt.Fprintln(out, indent+c.Below)
	}
}

// Wrap breaks text between words into lines of at most width characters; a
// longer word has a line of its own. Where wrap is false only the text's own
// lines are told apart, joined by "; ".
func Wrap(text string, width int, wrap bool) []string {
	if !wrap {
		return []string{strings.ReplaceAll(text, "\n", "; ")}
	}
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			switch {
			case line == "":
				line = word
			case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
				line += " " + word
			default:
				lines, line = append(lines, line), word
			}
		}
		lines = append(lines, line)
	}
	return lines
}
