package proof

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func TestUpdatedIsNeverMoreThanPresent(t *testing.T) {
	since := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	at := func(d time.Duration) map[string]time.Time {
		return map[string]time.Time{"API_USER": since.Add(d), "API_SECRET": since.Add(d)}
	}
	half := at(time.Second)
	delete(half, "API_USER")
	one := at(time.Second)
	one["API_USER"] = since.Add(-time.Hour)
	broken := errors.New("no answer")
	for name, c := range map[string]struct {
		at            map[string]time.Time
		err, sinceErr error
		unknown       bool
		want          Answer
		says          string
	}{
		"set since":            {at: at(time.Second), want: Present, says: "not proven"},
		"GitHub's clock":       {at: at(-30 * time.Second), want: Present},
		"set before":           {at: at(-2 * time.Minute), want: Differs, says: "before this value was written"},
		"one of two":           {at: one, want: Differs, says: "API_USER (2026-03-04T04:06:07Z)"},
		"not listed":           {at: half, want: Differs, says: "does not list API_USER"},
		"without a date":       {at: map[string]time.Time{"API_USER": {}, "API_SECRET": {}}, want: Unknown, says: "does not say when"},
		"not readable":         {err: broken, want: Unreachable, says: "no answer"},
		"journal not readable": {at: at(time.Second), sinceErr: broken, want: Unreachable, says: "no answer"},
		"never written by us":  {at: at(-time.Hour), unknown: true, want: Present, says: "lists the name"},
	} {
		a := asker()
		a.Updated = func(context.Context, secrets.Consumer) (map[string]time.Time, error) { return c.at, c.err }
		a.Since = func(_ context.Context, secret string) (time.Time, error) {
			require.Equal(t, sightengine.Name, secret)
			if c.unknown {
				return time.Time{}, c.sinceErr
			}
			return since, c.sinceErr
		}
		q := Question{Secret: sightengine, Want: newPair, Consumer: secrets.Consumer{Name: "ci", Kind: secrets.KindActions,
			Values: map[string]string{"API_USER": "api-user", "API_SECRET": "api-secret"}, Probe: secrets.Probe{Kind: secrets.ProofPresent, By: "updated"}}}
		r := a.Ask(t.Context(), q)
		require.Equal(t, c.want, r.Answer, "%s: %s", name, r.Detail)
		require.Contains(t, r.Detail, c.says, name)
		a.Updated = nil
		require.Equal(t, Unknown, a.Ask(t.Context(), q).Answer)
	}
}
