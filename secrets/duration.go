package secrets

import (
	"fmt"
	"strconv"
	"time"
)

// Duration is a span written as 90d, 12h, 30m or 0.
type Duration time.Duration

const (
	day          = 24 * time.Hour
	durationForm = "a duration such as 90d, 12h, 30m or 0"
)

// ParseDuration reads a whole number of days (90d), hours (12h) or minutes
// (30m), or 0.
func ParseDuration(text string) (Duration, error) {
	wrong := fmt.Errorf("found %s, expected %s", quote(text), durationForm)
	if text == "0" {
		return 0, nil
	}
	if len(text) < 2 {
		return 0, wrong
	}
	var unit time.Duration
	switch text[len(text)-1] {
	case 'd':
		unit = day
	case 'h':
		unit = time.Hour
	case 'm':
		unit = time.Minute
	default:
		return 0, wrong
	}
	// 31 bits keep the number and its sign out of the parser's other forms; the
	// division finds what does not fit in 64 bits of nanoseconds.
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 31)
	span := time.Duration(n) * unit
	if err != nil || span/unit != time.Duration(n) {
		return 0, wrong
	}
	return Duration(span), nil
}

// Std is the span as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the span in the largest unit that loses nothing: 24h is 1d.
func (d Duration) String() string {
	span := time.Duration(d)
	switch {
	case span == 0:
		return "0"
	case span%day == 0:
		return fmt.Sprintf("%dd", span/day)
	case span%time.Hour == 0:
		return fmt.Sprintf("%dh", span/time.Hour)
	case span%time.Minute == 0:
		return fmt.Sprintf("%dm", span/time.Minute)
	}
	return span.String()
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
