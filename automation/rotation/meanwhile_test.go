package rotation

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// meanwhile is a world in which something happens while a call is at work: before a
// line of progress, or when the person is asked.
type meanwhile struct {
	*world
	line, agree, issue, retire func()
}

func happens(what func()) {
	if what != nil {
		what()
	}
}

func (m *meanwhile) Begin(name, text string) Line {
	happens(m.line)
	return m.world.Begin(name, text)
}

func (m *meanwhile) Agree(ctx context.Context, p *Plan) error {
	happens(m.agree)
	return m.world.Agree(ctx, p)
}

func (m *meanwhile) Issue(ctx context.Context, s secrets.Secret, entries []secrets.Entry) (services.Credential, error) {
	happens(m.issue)
	return m.world.Issue(ctx, s, entries)
}

func (m *meanwhile) Retire(ctx context.Context, s secrets.Secret, gone Retirement) error {
	happens(m.retire)
	return m.world.Retire(ctx, s, gone)
}

func (m *meanwhile) rotator() *Rotator {
	r := m.world.rotator()
	r.Person, r.Watch = m, m
	return r
}

func (m *meanwhile) rotate(o Options) error {
	_, err := m.rotator().Rotate(m.t.Context(), []string{"acme"}, o)
	return err
}

// A run whose lease is over, since the machine slept, does nothing more, wherever it
// was: somebody else may be at work by now. What it has just made and cannot store any
// more is its own, and may be taken back.
func TestNothingIsDoneWithoutTheLease(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t).byAPI()
		state := func() string {
			out := fmt.Sprint(w.last().Number, w.pass.Git("rev-parse", "HEAD"))
			for _, path := range []string{entryPath, PendingPath(entryPath), PreviousPath(entryPath)} {
				out += fmt.Sprint(path, w.issuer.living(w.holds(path)))
			}
			return out
		}
		var slept atomic.Int64
		lines, then := 0, ""
		m := &meanwhile{world: w}
		m.line = func() {
			if last := w.last(); last.Number == 0 || last.State.Finished() {
				return
			}
			if lines++; lines == n {
				slept.Store(int64(time.Hour))
				then = state()
			}
		}
		r := m.rotator()
		r.Journal.Clock(func() time.Time { return time.Now().Add(time.Duration(slept.Load())) })
		_, err := r.Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace})
		if then == "" {
			require.NoError(t, err)
			require.Greater(t, n, 4, "a rotation has more lines than that")
			return
		}
		require.Equal(t, then, state(), "at line %d something was done", n)
		require.ErrorIs(t, err, journal.ErrExpired, "at line %d", n)
	}
}

// While the plan is read, somebody else makes the whole rotation.
func TestAPlanThatIsOvertakenIsNotCarriedOut(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	m := &meanwhile{world: w, agree: func() { w.rotated(w.rotate(Options{Grace: noGrace})) }}
	err := m.rotate(Options{Grace: noGrace})
	requireReason(t, err, Held)
	require.ErrorContains(t, err, "since this plan was made")
	require.Equal(t, journal.Done, w.last().State)
	require.Equal(t, []string{old}, w.retired)
	require.Equal(t, 2, w.issuer.issued)
}

// The journal is altered after the plan has read it: nothing is revoked on its word.
func TestADamagedRecordKeepsTheOldValueAlive(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	m := &meanwhile{world: w}
	m.issue = func() {
		file := filepath.Join(w.journal, journal.Root, "acme", "000001.json")
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		altered := bytes.Replace(data, []byte(`"step": "`), []byte(`"step": "x`), 1)
		require.NotEqual(t, data, altered)
		require.NoError(t, os.WriteFile(file, altered, 0o600))
	}
	err := m.rotate(Options{Grace: noGrace})
	var damaged *journal.DamagedError
	require.ErrorAs(t, err, &damaged)
	requireReason(t, err, Failed)
	require.Contains(t, w.living(), old)
	require.Empty(t, w.retired)
}

// The project's config file is committed and not pushed, or not even committed: an
// up from another checkout would bring the old value back, so it stays alive.
func TestAConfigThatIsNotPushedKeepsTheOldValueAlive(t *testing.T) {
	const config = "  shop:acme-key: %KEY%\n"
	s := newShop(t, map[string]string{"acme-key": "api-key"}, config)
	consumers := s.secret.Consumers
	s.secret.Consumers = consumers[:1]
	old, _ := s.inGrace()
	s.secret.Consumers = consumers
	s.fleet.Environ = map[string]string{"PATH": os.Getenv("PATH"), "HOME": t.TempDir()}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", s.dir, "-c", "user.name=Ann", "-c", "user.email=ann@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "git %v: %s", args, out)
	}
	remote := t.TempDir()
	git("init", "--quiet", "--bare", "--initial-branch=main", remote)
	git("init", "--quiet", "--initial-branch=main")
	git("add", "--all")
	git("commit", "--quiet", "--message=begin")
	git("remote", "add", "origin", remote)
	git("push", "--quiet", "--set-upstream", "origin", "main")
	s.configure(config)
	revoke := func() error {
		_, err := s.rotator().Revoke(t.Context(), []string{"acme"}, Options{Grace: noGrace})
		return err
	}
	for _, then := range [][]string{{"commit", "--quiet", "--all", "--message=rotate"}, {"push", "--quiet"}} {
		err := revoke()
		requireReason(t, err, Waiting)
		require.ErrorContains(t, err, "is not committed and pushed")
		require.Contains(t, s.living(), old)
		require.Empty(t, s.retired)
		git(then...)
	}
	require.NoError(t, revoke())
	require.Equal(t, []string{old}, s.retired)
	require.Equal(t, journal.Done, s.last().State)
}

// A service that refuses everything for a while has not refused the old value.
func TestAServiceThatRefusesEverythingProvesNoRevocation(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	w.issuer.keeps = true
	m := &meanwhile{world: w, retire: func() { w.issuer.moody = 1 << 20 }}
	requireReason(t, m.rotate(Options{Grace: noGrace}), Untold)
	require.True(t, w.last().RevokedAt.IsZero(), "no date without a living value beside it")
	require.NotEmpty(t, w.last().Debts)
	require.Equal(t, old, w.holds(PreviousPath(entryPath)))
	w.issuer.moody, w.issuer.keeps = 0, false
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// sameID is a service to which the values before and after a roll are one credential.
type sameID struct {
	*issuer
	touched []string
}

func (i *sameID) Identify(ctx context.Context, c services.Credential) (services.Issued, error) {
	found, err := i.issuer.Identify(ctx, c)
	if err == nil {
		found.ID = "the only one"
	}
	return found, err
}

func (i *sameID) Disable(_ context.Context, _ services.Credential, id string) error {
	i.touched = append(i.touched, id)
	return nil
}

func (i *sameID) Delete(_ context.Context, _ services.Credential, id string) error {
	i.touched = append(i.touched, id)
	return nil
}

// The value that leaves belongs to the credential that stays: a person ends it, and
// the credential is not touched.
func TestTheCredentialThatStaysIsNotDeletedForItsOldValue(t *testing.T) {
	w := newWorld(t).byAPI()
	old := w.holds(entryPath)
	service := &sameID{issuer: w.issuer}
	r := w.rotator()
	r.Issuer = func(string) (services.Issuer, bool) { return service, true }
	_, err := r.Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace, Typed: services.Credential{"api-key": secrets.NewValue([]byte(w.issuer.make("acct_1")))}})
	require.Empty(t, service.touched, "the credential in use")
	require.NoError(t, err)
	require.Equal(t, []string{old}, w.retired)
	require.Equal(t, journal.Done, w.last().State)
}

// Somebody saves the entry while the person makes the new value: what was saved may
// be a living credential, and is not overwritten.
func TestAnEditWhileARotationRunsIsNotOverwritten(t *testing.T) {
	w := newWorld(t)
	old, edited := w.holds(entryPath), w.issuer.make("acct_1")
	m := &meanwhile{world: w, issue: func() { w.edit(edited) }}
	require.ErrorContains(t, m.rotate(Options{Grace: noGrace}), "was edited since")
	require.Equal(t, edited, w.holds(entryPath))
	require.Contains(t, w.living(), old)
	require.Empty(t, w.retired)
}

// An up that would delete a Worker's secret is refused, whatever else is allowed.
func TestAnUpThatWouldDeleteASecretIsRefused(t *testing.T) {
	const urn, kind = "urn:pulumi:prod::shop::cloudflare:index/workersSecret:WorkersSecret::key", "cloudflare:index/workersSecret:WorkersSecret"
	r := &run{Rotator: &Rotator{}, options: Options{AllowOther: true}}
	replace := engine.Preview{Changes: []engine.Change{{Op: "replace", URN: urn, Type: kind, Name: "key", SecretOnly: true}}}
	target := &rollout.Target{Name: "shop", State: engine.State{Resources: []engine.Resource{{URN: urn, Type: kind}}}}
	requireReason(t, r.acceptable(target, replace), Failed)
	target.State.Resources[0].RetainOnDelete = true
	require.NoError(t, r.acceptable(target, replace))
}
