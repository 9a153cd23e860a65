package rotation

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// unasked is what no text may say where nobody asked a service.
var unasked = regexp.MustCompile(`refus|reject|\bdead\b|\bdies\b`)

// rotateBy runs one call of a rotator that was changed before.
func (w *world) rotateBy(o Options, change func(*Rotator)) (Report, error) {
	r := w.rotator()
	change(r)
	reports, err := r.Rotate(w.t.Context(), []string{"acme"}, o)
	require.NotEmpty(w.t, reports, "%v", err)
	return reports[0], err
}

// A secret of a service that no client knows: its end is a person's word, and
// everything that is written down says so.
func TestWhatNoServiceWasAskedAboutIsStated(t *testing.T) {
	w := newWorld(t)
	report, err := w.rotateBy(Options{New: true, Grace: noGrace}, func(r *Rotator) {
		r.Checker = func(string) (services.Checker, bool) { return nil, false }
		r.Issuer = func(string) (services.Issuer, bool) { return nil, false }
	})
	require.NoError(t, err)
	user := journal.Self().User
	require.Equal(t, journal.Done, report.State)
	require.Equal(t, user, report.Revoked.StatedBy)
	require.Contains(t, report.Revoked.Evidence, "confirmed by "+user)
	last := w.last()
	require.Equal(t, []string{"api-key"}, last.StatedEntries)
	require.Equal(t, user, last.StatedBy)

	past, err := Records{Catalog: w.rotator().Catalog, Journal: journal.InDir(w.journal)}.History(t.Context(), []string{"acme"})
	require.NoError(t, err)
	require.Equal(t, user, past[0].StatedBy)
	for _, e := range past[0].Events {
		require.NotRegexp(t, unasked, e.Step+e.Evidence)
	}
	log := w.pass.Git("log", "--format=%s")
	require.Contains(t, log, "old api-key revoked, confirmed by "+user)
	require.NotRegexp(t, unasked, log)
}

// Where the service was asked about all of it, nothing rests on a word, although
// a person did the last step.
func TestWhatTheServiceRefusesIsSeen(t *testing.T) {
	w := newWorld(t)
	w.secret.Issuer = secrets.IssuerPerson
	report, err := w.rotateBy(Options{New: true, Grace: noGrace}, func(r *Rotator) {
		r.Issuer = func(string) (services.Issuer, bool) { return nil, false }
	})
	require.NoError(t, err)
	require.Empty(t, report.Revoked.StatedBy)
	require.Contains(t, report.Revoked.Evidence, "acme refuses the old api-key")
	require.True(t, w.last().Stated)
	require.Empty(t, w.last().StatedBy)
	require.Contains(t, w.pass.Git("log", "--format=%s"), "old api-key is dead")
}

// A journal of before names were kept has the word and not whose it is.
func TestRevocationOfAnOldEvent(t *testing.T) {
	holder := journal.Holder{User: "ann"}
	for name, c := range map[string]struct {
		event journal.Event
		want  string
	}{
		"stated":            {journal.Event{Stated: true, Holder: holder, Evidence: "stated: key retired at the dashboard; the service cannot be asked about it"}, "ann"},
		"in part":           {journal.Event{Stated: true, Holder: holder, Evidence: "acme refuses the old a; stated: old b retired at the dashboard"}, "ann"},
		"seen":              {journal.Event{Stated: true, Holder: holder, Evidence: "acme refuses the old a"}, ""},
		"named":             {journal.Event{Stated: true, StatedBy: "bob", StatedEntries: []string{"b"}, Holder: holder, Evidence: "stated: b"}, "bob"},
		"not yet":           {journal.Event{Stated: true, StatedBy: "bob", Holder: holder}, ""},
		"one of it is seen": {journal.Event{Stated: true, StatedBy: "", Holder: holder, Evidence: "acme refuses the old a"}, ""},
	} {
		require.Equal(t, c.want, RevocationOf(c.event).StatedBy, name)
	}
}

// A reader that may hold the value from before is not proven by what pass holds
// now: the old value is revoked on a person's word, or not at all.
func TestWhatWasReadEarlierNeedsAWord(t *testing.T) {
	w := newWorld(t)
	w.secret.Consumers[0].Reads = ""
	old := w.holds(entryPath)
	w.refuse = true
	_, err := w.rotate(Options{New: true, Grace: noGrace})
	requireReason(t, err, Waiting)
	require.True(t, w.issuer.living(old), "the old value was revoked without a word")
	require.Equal(t, journal.Grace, w.last().State)

	w.refuse = false
	report, err := w.rotate(Options{Grace: noGrace})
	require.NoError(t, err)
	require.False(t, w.issuer.living(old))
	require.Equal(t, "configured", report.Consumers[0].Proof)
	at := slices.IndexFunc(w.last().Answers, func(a journal.Answer) bool { return a.Consumer == "readers" })
	require.Equal(t, journal.Self().User, w.last().Answers[at].Word)
	require.Equal(t, secrets.ProofConfigured, w.last().Answers[at].Proof)
}

// What takes the value anew at each use needs no word.
func TestWhatReadsEachRunNeedsNoWord(t *testing.T) {
	w := newWorld(t)
	w.refuse = true
	report, err := w.rotate(Options{New: true, Grace: noGrace})
	require.NoError(t, err)
	require.Equal(t, journal.Done, report.State)
	require.Empty(t, w.confirmed)
}

// daemon is a process as the kernel shows it, with the value that it read at its
// start; restart has it read pass again.
type daemon struct {
	t         *testing.T
	proc, pid string
}

func (w *world) withDaemon() *daemon {
	dir := w.t.TempDir()
	d := &daemon{t: w.t, proc: filepath.Join(dir, "proc"), pid: filepath.Join(dir, "pid")}
	w.secret.Consumers = append(w.secret.Consumers, secrets.Consumer{Name: "daemon", Kind: secrets.KindPass,
		Probe: secrets.Probe{Kind: secrets.ProofExact, By: "environ", PidFile: d.pid, Variables: map[string]string{"KEY": "api-key"}}})
	own := filepath.Join(d.proc, "7")
	require.NoError(w.t, os.MkdirAll(own, 0o700))
	d.write("self", "")
	d.write("uptime", "100000.00 0")
	d.write("7/stat", "7 (daemon) S 1 7 7"+string([]byte(" 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "))+strconv.Itoa(100))
	require.NoError(w.t, os.WriteFile(d.pid, []byte("7\n"), 0o600))
	return d
}

func (d *daemon) write(name, text string) {
	require.NoError(d.t, os.WriteFile(filepath.Join(d.proc, name), []byte(text), 0o600))
}

func (d *daemon) restart(value string) { d.write("7/environ", "KEY="+value+"\x00") }

// A process that got its value at its start has the new one only after the
// promotion: it is asked then, and the old value waits for its restart.
func TestAProcessIsAskedAfterThePromotion(t *testing.T) {
	w := newWorld(t)
	d := w.withDaemon()
	old := w.holds(entryPath)
	d.restart(old)
	asked := func(r *Rotator) {
		r.Asker.Proc = d.proc
	}
	_, err := w.rotateBy(Options{New: true, Grace: noGrace}, asked)
	requireReason(t, err, Failed)
	require.ErrorContains(t, err, "daemon (differs)")
	require.NotEqual(t, old, w.holds(entryPath), "pass was not promoted, so nothing could bring the process the new value")
	require.True(t, w.issuer.living(old))
	own := (*Error)(nil)
	require.ErrorAs(t, err, &own)
	require.Contains(t, own.Next[0], "restart daemon")

	d.restart(w.holds(entryPath))
	report, err := w.rotateBy(Options{Grace: noGrace}, asked)
	require.NoError(t, err)
	require.Equal(t, journal.Done, report.State)
	require.False(t, w.issuer.living(old))
	at := slices.IndexFunc(report.Consumers, func(c ConsumerReport) bool { return c.Name == "daemon" })
	require.Equal(t, "exact", report.Consumers[at].Proof)
	require.Equal(t, proof.Match, report.Consumers[at].Answer)
}

// A process that was restarted with the new value before and runs with the old one
// again, in the grace period: no deployment brings it back, a restart does.
func TestAProcessWithTheOldValueIsNotDeployedTo(t *testing.T) {
	w := newWorld(t)
	d := w.withDaemon()
	old := w.holds(entryPath)
	d.restart(old)
	promoted := false
	follow := func(r *Rotator) {
		r.Asker.Proc = d.proc
		r.Asker.Now = func() time.Time { // env --watch
			if !promoted {
				d.restart(w.holds(entryPath))
			}
			return time.Now()
		}
	}
	_, err := w.rotateBy(Options{New: true}, follow)
	requireReason(t, err, Waiting)
	require.True(t, SettledFor(err, "acme"), "the grace period is a success")
	promoted = true
	d.restart(old)
	ups := w.last().Number
	_, err = w.rotateBy(Options{Grace: noGrace}, follow)
	requireReason(t, err, Failed)
	require.ErrorContains(t, err, "daemon (differs)")
	require.True(t, w.issuer.living(old))
	events, err := journal.InDir(w.journal).Open(context.Background(), "acme")
	require.NoError(t, err)
	all, err := events.Events(t.Context())
	require.NoError(t, err)
	for _, e := range all[ups:] {
		require.NotEqual(t, journal.Deploying, e.State)
		require.NotContains(t, e.Step, stepDeploying)
	}
}

// The plan holds what a person does by hand.
func TestThePlanHasTheStepsOfAPerson(t *testing.T) {
	w := newWorld(t)
	w.secret.Consumers = append(w.secret.Consumers, secrets.Consumer{Name: "ci", Kind: secrets.KindManual, Steps: []string{"Open the settings.", "Set the key."},
		Probe: secrets.Probe{Kind: secrets.ProofPresent, By: "person"}})
	var plan *Plan
	_, err := w.rotateByAny(Options{New: true, PreviewOnly: true}, func(r *Rotator) { r.Show = func(p *Plan) { plan = p } })
	require.NoError(t, err)
	require.Equal(t, "ci", plan.Secrets[0].ByHand[0].Name)
	require.Equal(t, []string{"Open the settings.", "Set the key."}, plan.Secrets[0].ByHand[0].Steps)
	require.Len(t, plan.Secrets[0].ByHand, 1, "who reads at each run needs nobody")
}

func (w *world) rotateByAny(o Options, change func(*Rotator)) ([]Report, error) {
	r := w.rotator()
	change(r)
	return r.Rotate(w.t.Context(), []string{"acme"}, o)
}

func TestCountProofs(t *testing.T) {
	a := func(kind secrets.ProofKind, answer, word string) journal.Answer {
		return journal.Answer{Proof: kind, Answer: answer, Word: word}
	}
	require.Equal(t, "2 exact, 1 works, 1 configured (not verified at run time), 1 present, 2 confirmed by ann, 1 confirmed by bob", CountProofs([]journal.Answer{
		a(secrets.ProofExact, "match", ""), a(secrets.ProofPresent, "present", "ann"), a(secrets.ProofConfigured, "match", ""), a(secrets.ProofConfigured, "match", "ann"),
		a(secrets.ProofWorks, "match", ""), a(secrets.ProofPresent, "present", ""), a(secrets.ProofExact, "match", ""), a(secrets.ProofPresent, "present", "bob"),
		a(secrets.ProofExact, "differs", ""), a(secrets.ProofWorks, "unreachable", ""),
	}))
	require.Empty(t, CountProofs(nil))
}

// A word about one entry is not one about the others.
func TestOnWord(t *testing.T) {
	e := journal.Event{Stated: true, StatedBy: "ann", Evidence: "seen", Entries: map[string]journal.Move{"a": {}, "b": {}}}
	require.Empty(t, onWord(e))
	e.StatedEntries = []string{"b"}
	require.Equal(t, " (the end of b confirmed by ann)", onWord(e))
	require.Equal(t, "dead; b revoked, confirmed by ann", revoked(e))
	e.StatedEntries = []string{"a", "b"}
	require.Equal(t, " (confirmed by ann)", onWord(e))
	require.Equal(t, "revoked, confirmed by ann", revoked(e))
}
