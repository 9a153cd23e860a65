package rotation

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

const entryPath = "acme/api-key"

// issuer is a service with one kind of key: it knows which values live and to
// which account they belong.
type issuer struct {
	mu      sync.Mutex
	account map[string]string // value -> account, while alive
	deaf    bool              // accepts everything
	keeps   bool              // retiring does not kill
	moody   int               // so many refusals of whatever comes, then right again
	issued  int
	api     api
}

func (i *issuer) Check(_ context.Context, c services.Credential) (services.Report, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.moody > 0 {
		i.moody--
		return services.Report{State: services.Dead, Detail: "a bad moment"}, nil
	}
	value := string(c["api-key"].Reveal())
	account, alive := i.account[value]
	if alive = alive && !i.api.disabled[value]; alive || i.deaf {
		return services.Report{State: services.Alive, Account: account, Mode: "live"}, nil
	}
	return services.Report{State: services.Dead, Detail: "unknown key"}, nil
}

func (i *issuer) make(account string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.issued++
	v := fmt.Sprintf("key_%026d", i.issued)
	i.account[v] = account
	return v
}

func (i *issuer) alive() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []string
	for v := range i.account {
		out = append(out, v)
	}
	return out
}

// world is a company with one credential that is read from pass, in a real
// store with a real journal.
type world struct {
	t       *testing.T
	pass    *storetest.Fixture
	issuer  *issuer
	journal string
	now     time.Time
	secret  secrets.Secret

	// What the person does and was asked.
	account   string
	retired   []string
	never     bool
	told      int
	confirmed []string
	// refuse makes Confirm a no; down is a consumer that does not answer, needs
	// the value that it cannot do without.
	refuse, down bool
	needs        string
	// instance answers in the door's place, once it has got a value it knows.
	instance func(value string) services.State
	// die panics at the n-th line of progress: a process that is gone.
	die, lines int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, pass: storetest.New(t), issuer: &issuer{account: map[string]string{}}, journal: t.TempDir(), now: time.Now(), account: "acct_1"}
	w.secret = secrets.Secret{
		Name: "acme", Title: "Acme key", Service: "acme", Grace: secrets.Duration(24 * time.Hour),
		Entries:   []secrets.Entry{{Path: entryPath, Pattern: "key_[0-9]{26}", Expect: "an Acme key"}},
		Consumers: []secrets.Consumer{{Name: "readers", Kind: secrets.KindPass, Reads: secrets.ReadsEachRun, Probe: secrets.Probe{Kind: secrets.ProofConfigured, By: "pass"}}},
	}
	w.pass.Insert(map[string]string{entryPath: w.issuer.make("acct_1"), secrets.FingerprintKeyPath: "fingerprint key"})
	return w
}

// Agree, Issue, Retire and Tell implement Person.
func (w *world) Agree(context.Context, *Plan) error { return nil }

func (w *world) Issue(context.Context, secrets.Secret, []secrets.Entry) (services.Credential, error) {
	return services.Credential{"api-key": secrets.NewValue([]byte(w.issuer.make(w.account)))}, nil
}

func (w *world) Retire(_ context.Context, _ secrets.Secret, gone Retirement) error {
	w.issuer.mu.Lock()
	defer w.issuer.mu.Unlock()
	value := string(gone.Values["api-key"].Reveal())
	w.retired = append(w.retired, value)
	if !w.issuer.keeps {
		delete(w.issuer.account, value)
	}
	return nil
}

func (w *world) Tell(context.Context, secrets.Secret) (bool, error) { w.told++; return w.never, nil }

// Confirm says yes and remembers the question.
func (w *world) Confirm(_ context.Context, q Confirmation) error {
	w.confirmed = append(w.confirmed, q.Title)
	if w.refuse {
		return &Error{Reason: Waiting, Secret: q.Secret, Detail: "not confirmed"}
	}
	return nil
}

// login is a consumer that is down, or stops working when a value dies.
func (w *world) login(_ context.Context, _ secrets.Consumer, c services.Credential) (services.Report, error) {
	if w.down {
		return services.Report{State: services.Unknown}, &services.Error{Kind: services.Outage, Message: "no answer"}
	}
	if w.needs != "" && !w.issuer.living(w.needs) {
		return services.Report{State: services.Dead, Detail: "it stopped"}, nil
	}
	if report, err := w.issuer.Check(context.Background(), c); err != nil || report.State != services.Alive || w.instance == nil {
		return report, err
	}
	return services.Report{State: w.instance(string(c["api-key"].Reveal())), Detail: "by an instance"}, nil
}

// withDoor adds a consumer that is logged in at.
func (w *world) withDoor() *world {
	w.secret.Consumers = append(w.secret.Consumers, secrets.Consumer{Name: "door", Kind: secrets.KindBackend, Probe: secrets.Probe{Kind: secrets.ProofWorks, By: "login"}})
	return w
}

// Begin implements Watcher.
func (w *world) Begin(string, string) Line {
	w.lines++
	if w.lines == w.die {
		panic("killed")
	}
	return quiet{}
}

type quiet struct{}

func (quiet) Say(string)  {}
func (quiet) Done(string) {}
func (quiet) Warn(string) {}
func (quiet) Fail(string) {}

func (w *world) rotator() *Rotator {
	short := proof.Window{Answers: 2, Every: time.Millisecond, Limit: 300 * time.Millisecond}
	cat := &secrets.Catalog{Secrets: []secrets.Secret{w.secret}}
	keys := &PassKey{Store: w.pass.Store, Hide: func(secrets.Value) {}}
	return &Rotator{
		Catalog: cat, Store: w.pass.Store, Journal: journal.InDir(w.journal).SignedBy(keys.Key), Fleet: &rollout.Fleet{Catalog: cat},
		Checker: func(string) (services.Checker, bool) { return w.issuer, true },
		Issuer:  func(string) (services.Issuer, bool) { return w.issuer, true },
		Hide:    func(services.Credential) {},
		Asker: &proof.Asker{Now: time.Now, Pass: func(ctx context.Context, e secrets.Entry) (secrets.Value, error) {
			return w.value(ctx, e.Path)
		}, Login: w.login},
		Person: w, Watch: w, Key: secrets.NewValue([]byte("fingerprint key")), Keys: keys,
		Window: short, Settle: short, Death: short,
		Now: func() time.Time { return w.now }, NewID: func() string { return fmt.Sprintf("r%d", time.Now().UnixNano()) },
	}
}

func (w *world) value(ctx context.Context, path string) (secrets.Value, error) {
	e, err := w.pass.Store.Read(ctx, path)
	if err != nil {
		return secrets.Value{}, err
	}
	return e.Secret(secrets.FormatLine)
}

// rotate runs one call; the report is of the only secret.
func (w *world) rotate(o Options) (Report, error) {
	reports, err := w.rotator().Rotate(w.t.Context(), []string{"acme"}, o)
	if len(reports) == 0 {
		return Report{}, err
	}
	return reports[0], err
}

// killedAt runs one call that dies at its n-th line of progress, and reports
// whether it lived that long.
func (w *world) killedAt(n int, o Options) (killed bool) {
	return w.killed(n, func() { _, _ = w.rotate(o) })
}

// killed is killedAt for any call.
func (w *world) killed(n int, call func()) (killed bool) {
	w.lines, w.die = 0, n
	defer func() {
		w.die = 0
		if r := recover(); r != nil {
			require.Equal(w.t, "killed", r)
			killed = true
		}
	}()
	call()
	return false
}

func (w *world) holds(path string) string {
	if !w.pass.Store.Exists(path) {
		return ""
	}
	v, err := w.value(w.t.Context(), path)
	require.NoError(w.t, err)
	return string(v.Reveal())
}

func (w *world) last() journal.Event {
	log, err := journal.InDir(w.journal).Open(w.t.Context(), "acme")
	require.NoError(w.t, err)
	return log.Last()
}

// edit is the operator's `pass edit`, committed and pushed.
func (w *world) edit(value string) {
	require.NoError(w.t, w.pass.Store.Write(w.t.Context(), "edit", store.Change{Path: entryPath, Content: secrets.NewValue([]byte(value + "\n"))}))
	require.NoError(w.t, w.pass.Store.Push(w.t.Context()))
}

var noGrace = func() *time.Duration { d := time.Duration(0); return &d }()
