package rotation

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// A leaked key: the operator's emergency flags must outlive every error, or the
// command that is pasted next keeps the leaked value alive for the catalog's
// grace.
func TestWhatGoesOnKeepsTheFlagsOfTheCall(t *testing.T) {
	emergency := Options{New: true, Grace: noGrace, Hold: true, Commit: true, AllowOther: true}
	const kept = "go run . rotate --secret acme --grace 0 --hold --allow-other-changes --commit"
	for name, c := range map[string]struct {
		when func(*world)
		o    Options
		want string
	}{
		"the service does not answer, and nothing was issued": {func(w *world) { w.issuer.api.ready = outage("500") }, emergency, kept + " --new"},
		"issuing fails": {func(w *world) { w.issuer.api.refuses = outage("500") }, emergency, kept + " --new"},
		"a consumer fails, and the new value is in pass": {func(w *world) {
			w.withDoor()
			w.down = true
		}, emergency, kept},
		"one entry": {func(w *world) { w.issuer.api.refuses = outage("500") }, Options{Entry: "api-key"}, "go run . rotate --secret acme --entry api-key"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).byAPI()
			c.when(w)
			_, err := w.rotate(c.o)
			require.Contains(t, nextOf(t, err), c.want)
		})
	}
}

// A new value that the journal knows is gone on with: another --new would issue
// a second one and leave the first alive.
func TestNothingIsIssuedTwiceByTheCommandThatGoesOn(t *testing.T) {
	w := newWorld(t).byAPI().withDoor()
	w.down = true
	_, err := w.rotate(Options{New: true, Grace: noGrace})
	next := nextOf(t, err)
	require.Contains(t, next, "go run . rotate --secret acme --grace 0")
	require.NotContains(t, strings.Join(next, "\n"), "--new")
	issued := w.issuer.issued

	w.down = false
	report, err := w.rotate(Options{Grace: noGrace})
	require.NoError(t, err)
	require.Equal(t, journal.Done, report.State)
	require.Equal(t, issued, w.issuer.issued, "going on issued another value")
}

// Values from standard input are never repeated, and where none is stored they
// have to be given again.
func TestATypedValueIsAskedForAgainUntilItIsStored(t *testing.T) {
	w := newWorld(t).withDoor()
	typed := w.issuer.make("acct_1")
	o := Options{Typed: services.Credential{"api-key": secrets.NewValue([]byte(typed))}, Unattended: true}
	w.down = true
	_, err := w.rotate(o)
	require.Empty(t, w.last().Rotation)
	require.Contains(t, nextOf(t, err), "go run . rotate --secret acme --value-stdin")

	o.Grace = noGrace // an emergency goes on without the consumer
	_, err = w.rotate(o)
	require.Equal(t, typed, w.holds(PendingPath(entryPath)))
	require.Contains(t, nextOf(t, err), "go run . rotate --secret acme --grace 0")
	require.NotContains(t, strings.Join(nextOf(t, err), "\n"), typed)
}

func TestEachVerbGoesOnAsItself(t *testing.T) {
	for want, r := range map[string]*run{
		"go run . rollback --secret acme --allow-other-changes --commit": {verb: toRollBack, options: Options{AllowOther: true, Commit: true}},
		"go run . revoke --secret acme --unproven":                       {verb: toRevoke, options: Options{Unproven: true}},
		"go run . revoke --due":                                          {verb: toRevoke, options: Options{Due: true}},
		"go run . adopt --secret acme --roll --anew":                     {verb: toAdopt, options: Options{Roll: true, Anew: true}},
		"go run . rotate --secret acme --preview --pending":              {verb: toRotate, options: Options{Pending: true, PreviewOnly: true}},
	} {
		require.Equal(t, want, resumeByName(r, "acme").String())
	}
}

// nextOf are the commands of an error and all that it wraps.
func nextOf(t *testing.T, err error) []string {
	t.Helper()
	require.Error(t, err)
	var own *Error
	require.True(t, errors.As(err, &own), "%v", err)
	return own.Next
}
