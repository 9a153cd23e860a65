package secrets_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "30m": 30 * time.Minute, "0": 0, "0h": 0, "106751d": 106751 * 24 * time.Hour,
	} {
		d, err := secrets.ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, d.Std(), text)
	}
	for _, text := range []string{"", "d", "90", "1.5h", "-3d", "+3d", "90 d", "90D", "1h30m", "3s", "106752d", "99999999999999999999d", "1_0d", "０d"} {
		_, err := secrets.ParseDuration(text)
		require.ErrorContains(t, err, "expected a duration such as 90d, 12h, 30m or 0", text)
	}
}

func TestDurationString(t *testing.T) {
	for want, span := range map[string]time.Duration{
		"0": 0, "1d": 24 * time.Hour, "25h": 25 * time.Hour, "90m": 90 * time.Minute, "1m30s": 90 * time.Second,
	} {
		require.Equal(t, want, secrets.Duration(span).String())
	}
	text, err := secrets.Duration(90 * 24 * time.Hour).MarshalText()
	require.NoError(t, err)
	require.Equal(t, "90d", string(text))
}

func TestDurationComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := secrets.Duration(time.Duration(rapid.IntRange(0, 106751*24*60).Draw(t, "minutes")) * time.Minute)
		back, err := secrets.ParseDuration(d.String())
		require.NoError(t, err)
		require.Equal(t, d, back)
	})
}
