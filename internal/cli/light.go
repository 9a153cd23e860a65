package cli

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// bare is a session with its output and nothing else yet.
func (a *app) bare() *session {
	s := &session{app: a, redactor: secrets.NewRedactor(), runID: randomHex(8)}
	s.out, s.err = s.guarded(a.env.Stdout), s.guarded(a.env.Stderr)
	s.live = s.guarded(printable.Raw(a.env.Stderr))
	s.progress = ui.NewProgress(s.live, a.style(), a.interactive())
	s.progress.Columns = func() int { return ui.Columns(a.env.Err) }
	s.closers = append(s.closers, func() error { s.progress.Close(); return nil })
	return s
}

// light opens what it takes to read the records: catalog, pass and the state
// backend. No Pulumi CLI is needed, no service is asked, and nothing is
// decrypted but the backend's own key, where it has one, and the key of the
// journal's signatures.
func (a *app) light(ctx context.Context) (*session, error) {
	// Making a world takes a CLI.
	return a.assemble(ctx, a.opts.sandbox != "", (*session).openPass)
}

// openPass opens the store and reads nothing of it.
func (s *session) openPass(ctx context.Context) (err error) {
	o := store.Options{Env: s.app.env.Environ, Interactive: s.app.interactive()}
	if o.Interactive {
		o.Asking = s.progress.Rest
	}
	if s.catalog != nil {
		o.Recipients = s.catalog.Store.Recipients
	}
	if s.sandbox != nil {
		o = s.sandbox.StoreOptions()
		// What the operator set for the company's store is not for this one.
		o.Env = slices.DeleteFunc(slices.Clone(s.app.env.Environ), func(kv string) bool { return strings.HasPrefix(kv, "PASSWORD_STORE_") })
	}
	s.store, err = store.Open(ctx, o)
	s.keys = &rotation.PassKey{Store: s.store, Hide: func(v secrets.Value) { s.redactor.Add(v) }}
	return err
}

// records reads them through the light session.
func (s *session) records() rotation.Records {
	return rotation.Records{Catalog: s.catalog, Journal: s.journal, Changed: s.store.Changed, Edited: s.store.Edited, Now: time.Now}
}

// width is how wide the result may be: the terminal it goes to, or 0 where it
// goes elsewhere and every row is one line.
func (a *app) width() int {
	return ui.Columns(a.stdout())
}

// stdout is the file behind the result, nil where there is none.
func (a *app) stdout() *os.File {
	f, _ := a.printed.Writer.(*os.File)
	return f
}

// resultStyle is for what goes to stdout: it may be piped where stderr is not.
func (a *app) resultStyle() ui.Style {
	return a.styleOf(a.stdout())
}
