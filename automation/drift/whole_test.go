package drift

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// shop is a company with one secret, in pass and in the config of one Pulumi
// stack, whose every part can be broken.
type shop struct {
	t          *testing.T
	pass       *storetest.Fixture
	root       string
	state      string
	record     string
	entry      secrets.Stack
	phrase     error
	service    services.Checker
	noServices bool
	remote     Abroad
}

// vouching is a service that knows one value.
type vouching struct {
	state func() (services.Report, error)
}

func (v vouching) Check(context.Context, services.Credential) (services.Report, error) {
	return v.state()
}

func newShop(t *testing.T) *shop {
	root := t.TempDir()
	w := &shop{t: t, pass: storetest.New(t), root: root, state: filepath.Join(root, "state"), record: filepath.Join(root, "state", journal.Root),
		entry: secrets.Stack{Name: "shop", Dir: "infra", Stack: "prod"}, service: vouching{func() (services.Report, error) {
			return services.Report{State: services.Alive, Checked: []string{"key"}}, nil
		}}}
	w.pass.Insert(map[string]string{"shop/key": "sk_live_0123456789abcdef"})
	require.NoError(t, w.pass.Store.Push(t.Context()))
	w.write("infra/Pulumi.yaml", "name: shop\nruntime: yaml\n")
	w.write("state/.pulumi/meta.yaml", "version: 1\n")
	w.write("state/.pulumi/stacks/shop/prod.json", `{"version":3,"checkpoint":{}}`)
	s, err := w.engine().Open(t.Context(), engine.StackSpec{Name: "shop", Dir: filepath.Join(root, "infra"), Stack: "prod", Passphrase: value("phrase"),
		// The file of an existing project would have to be there.
		Program: func(*pulumi.Context) error { return nil }})
	require.NoError(t, err)
	_, err = s.WriteConfig(t.Context(), map[string]secrets.Value{"key": value("sk_live_0123456789abcdef")})
	require.NoError(t, err)
	return w
}

func (w *shop) write(path, text string) {
	file := filepath.Join(w.root, filepath.FromSlash(path))
	require.NoError(w.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
}

func (w *shop) engine() *engine.Engine {
	return engine.New(engine.Options{CLI: &engine.CLI{Path: "/bin/false", Version: engine.Version(), LanguageDir: w.root}, Backend: "file://" + w.state,
		Language: func(context.Context, string) (string, error) { return "", nil }})
}

// checker looks at the company as it stands.
func (w *shop) checker() *Checker {
	sec := secrets.Secret{Name: "shop", Title: "Shop key", Service: "acme", Entries: []secrets.Entry{{Path: "shop/key"}}, Consumers: []secrets.Consumer{
		{Name: "api", Kind: secrets.KindConfig, Stack: "shop", Values: map[string]string{"key": "key"}, Probe: secrets.Probe{Kind: secrets.ProofExact, By: "config"}},
		{Name: "scripts", Kind: secrets.KindPass, Probe: secrets.Probe{Kind: secrets.ProofExact, By: "pass"}},
	}}
	cat := &secrets.Catalog{Secrets: []secrets.Secret{sec}, Stacks: []secrets.Stack{w.entry}}
	fleet := &rollout.Fleet{Catalog: cat, Engine: w.engine(), Root: w.root, Project: w.root,
		Passphrase: func(context.Context, secrets.Stack) (secrets.Value, error) { return value("phrase"), w.phrase }}
	records := rotation.Records{Catalog: cat, Journal: journal.InDir(w.record), Changed: w.pass.Store.Changed, Edited: w.pass.Store.Edited, Now: time.Now}
	return &Checker{Catalog: cat, Store: w.pass.Store.Still(), Records: records, Fleet: fleet, Abroad: w.remote, Key: value("fingerprints"),
		Asker: &proof.Asker{Now: time.Now, Pass: func(ctx context.Context, e secrets.Entry) (secrets.Value, error) {
			entry, err := w.pass.Store.Read(ctx, e.Path)
			if err != nil {
				return secrets.Value{}, err
			}
			return entry.Secret(e.Read)
		}},
		Service:  func(string) (services.Checker, bool) { return w.service, !w.noServices },
		Register: func(string) (Register, bool) { return nil, false },
		Folders:  Folders{Root: w.root, Project: w.root, Environ: w.pass.Env}, Search: []string{w.root},
		Hide: func(...secrets.Value) {}, Watch: unwatched{}, Next: func(error) string { return "" }, Now: time.Now}
}

// unwatched is a check that nobody looks at.
type unwatched struct{}

func (unwatched) Begin(string, string) rotation.Line { return unwatched{} }
func (unwatched) Say(string)                         {}
func (unwatched) Done(string)                        {}
func (unwatched) Warn(string)                        {}
func (unwatched) Fail(string)                        {}

// look checks, and requires a report that is whole: every layer and every secret
// is in it, and it can be printed.
func (w *shop) look() Report {
	w.t.Helper()
	r, err := w.checker().Check(w.t.Context())
	require.NoError(w.t, err)
	var names []string
	for _, l := range r.Layers {
		names = append(names, l.Name)
		require.NotEmpty(w.t, l.Status)
	}
	require.Equal(w.t, LayerNames(), names)
	require.Len(w.t, r.Secrets, 1)
	require.NotNil(w.t, r.Rotations)
	_, err = json.Marshal(r)
	require.NoError(w.t, err)
	return r
}

// gaps are the layers that could not be looked at whole.
func gaps(r Report) (out []string) {
	for _, l := range r.Layers {
		if len(l.Gaps) > 0 {
			out = append(out, l.Name)
		}
	}
	return out
}

// Whatever cannot be opened takes down no report: it is told as not checked by the
// layers that it concerns, and the rest is looked at.
func TestNothingThatCannotBeOpenedTakesTheReportDown(t *testing.T) {
	breaks := []struct {
		name   string
		do     func(w *shop)
		layers []string
	}{
		{"the state of a stack's own", func(w *shop) { w.entry.Backend = "file://" + filepath.Join(w.root, "nowhere") }, []string{"config", "resources", "values", "locks"}},
		{"a state that is none", func(w *shop) { w.entry.Backend = "what" }, []string{"config", "resources", "values", "locks"}},
		{"a state that is broken", func(w *shop) { w.write("state/.pulumi/stacks/shop/prod.json", "{") }, []string{"config", "resources", "values", "locks"}},
		{"a project that is broken", func(w *shop) { w.write("infra/Pulumi.yaml", "name: [\n") }, []string{"config", "resources", "values", "locks"}},
		{"a config that is broken", func(w *shop) { w.write("infra/Pulumi.prod.yaml", "config: [\n") }, []string{"config", "resources", "values", "locks"}},
		{"the passphrase", func(w *shop) { w.phrase = errors.New("there is none") }, []string{"config", "resources", "values", "locks"}},
		{"the root", func(w *shop) { w.root = filepath.Join(w.root, "gone") }, []string{"config", "resources", "copies"}},
		{"the journal", func(w *shop) { w.write("state/.rotation", "no folder") }, []string{"journal"}},
		{"the store's remote", func(w *shop) { require.NoError(w.t, os.RemoveAll(w.pass.Remote)) }, []string{"pass"}},
		{"the store's repository", func(w *shop) { require.NoError(w.t, os.Remove(filepath.Join(w.pass.Dir, ".git", "HEAD"))) }, []string{"journal", "pass"}},
		{"the key of the store", func(w *shop) {
			require.NoError(w.t, os.RemoveAll(filepath.Join(w.pass.GNUPGHome, "private-keys-v1.d")))
			_, _, _ = w.pass.Try("", "gpgconf", "--kill", "gpg-agent")
		}, []string{"pass"}},
		{"a service that is down", func(w *shop) {
			w.service = vouching{func() (services.Report, error) {
				return services.Report{State: services.Unknown}, errors.New("it answers 500")
			}}
		}, []string{"issuers"}},
		{"a service whose client is broken", func(w *shop) {
			w.service = vouching{func() (services.Report, error) { var none *services.Report; return *none, nil }}
		}, []string{"issuers"}},
		{"a service without a client", func(w *shop) { w.service = nil }, []string{"issuers"}},
	}
	for _, b := range breaks {
		t.Run(b.name, func(t *testing.T) {
			w := newShop(t)
			b.do(w)
			r := w.look()
			require.Subset(t, gaps(r), b.layers)
			require.Equal(t, Unknown, r.Answer, r.Findings)
		})
	}
	for name, do := range map[string]func(w *shop){
		"the folder of a stack":     func(w *shop) { w.entry.Dir = "elsewhere" },
		"a stack that is not there": func(w *shop) { w.entry.Stack = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newShop(t)
			do(w)
			r := w.look()
			require.Subset(t, gaps(r), []string{"config", "resources", "values", "locks"})
			require.Len(t, r.Findings, 1, "the stack that is there holds a copy that the catalog does not declare any more")
			require.Equal(t, UnmanagedAtConsumer, r.Findings[0].Code)
		})
	}
	t.Run("none of it", func(t *testing.T) {
		r := newShop(t).look()
		require.Equal(t, []string{"resources"}, gaps(r), "the CLI of this test previews nothing")
		require.Empty(t, r.Findings)
	})
	t.Run("all of it at once", func(t *testing.T) {
		w := newShop(t)
		for _, b := range breaks {
			if b.name != "the root" { // what is written below it could not be broken any more
				b.do(w)
			}
		}
		r := w.look()
		require.Equal(t, Unknown, r.Answer, r.Findings)
	})
}

// A layer that is at fault itself is told as one that could not be looked at, also
// where the fault is in a part that runs beside it or that other layers read too.
// Where it happened is for who asks for it, and in no report.
func TestALayerThatIsAtFaultIsTold(t *testing.T) {
	w := newShop(t)
	traces := map[string]string{}
	c := w.checker()
	c.Trace = func(layer string, stack []byte) { traces[layer] = string(stack) }
	c.Service = nil
	c.Fleet.Passphrase = nil // what opens the stacks, once for all layers
	r, err := c.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, Unknown, r.Answer, r.Findings)
	require.Subset(t, gaps(r), []string{"config", "resources", "issuers", "copies", "locks", "values"})
	require.Contains(t, traces["issuers"], "drift.(*scene).issuer")
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.NotContains(t, string(raw), ".go:")
}

// Whichever layer falls over, it is told as one that was not checked, and the others
// have looked.
func TestAFaultInAnyLayerTakesNoOtherDown(t *testing.T) {
	w := newShop(t)
	unbroken := w.look()
	broken := func(*scene, context.Context, *sheet) { var none *Finding; _ = none.Code }
	beside := func(*scene, context.Context, *sheet) {
		var g fault.Group
		g.Go(func() { panic("broken") })
		g.Wait()
	}
	for i, name := range LayerNames() {
		for how, check := range map[string]func(*scene, context.Context, *sheet){"itself": broken, "beside it": beside} {
			t.Run(name+" "+how, func(t *testing.T) {
				c := w.checker()
				c.layers = layers()
				c.layers[i].check = check
				traced := ""
				c.Trace = func(layer string, _ []byte) { traced = layer }
				r, err := c.Check(t.Context())
				require.NoError(t, err)
				require.Equal(t, name, traced)
				require.Equal(t, gapsBut(unbroken, name), gapsBut(r, name))
				require.Equal(t, StatusUnknown, r.Layers[i].Status)
				require.Len(t, r.Layers[i].Gaps, 1)
				require.Equal(t, name, r.Layers[i].Gaps[0].Subject)
				for at, l := range r.Layers {
					if at != i {
						require.Equal(t, unbroken.Layers[at].Status, l.Status, l.Name)
					}
				}
				require.Equal(t, Unknown, r.Answer)
			})
		}
	}
}

// gapsBut are the layers that could not be looked at whole, but for one.
func gapsBut(r Report, layer string) []string {
	return slices.DeleteFunc(gaps(r), func(name string) bool { return name == layer })
}

// What is read once and ends in a fault gives nobody a value that is not there.
func TestAFaultReachesEverybodyWhoAsks(t *testing.T) {
	var o once[map[string]int]
	read := func() error {
		return fault.Catch(func() error { o.get(func() map[string]int { panic("broken") }); return nil })
	}
	require.ErrorContains(t, read(), "broken")
	require.ErrorContains(t, read(), "broken")
}

// A goroutine of its own would take the program down: the layers start none but
// through fault.Group.
func TestNoGoroutineIsUnguarded(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", file)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "sync" && n.Sel.Name == "WaitGroup" {
					t.Errorf("%s uses sync.WaitGroup", file)
				}
			}
			return true
		})
	}
}

// Whoever can write to the state alone puts off no check with a lease that cannot be
// read: it is told, and what is found counts.
func TestALeaseThatCannotBeReadHidesNothing(t *testing.T) {
	for _, name := range []string{"shop", "stack shop"} {
		t.Run(name, func(t *testing.T) {
			w := newShop(t)
			w.pass.Insert(map[string]string{"shop/key": "sk_live_another_one_0123"})
			require.NoError(t, w.pass.Store.Push(t.Context()))
			require.Contains(t, keysOf(w.look()), "stale-consumer:shop/api/key", "drift is found")
			w.write("state/.rotation/.rotation/.leases/"+name+"/000001.json", "{")
			r := w.look()
			require.Equal(t, Drift, r.Answer)
			require.Subset(t, keysOf(r), []string{"stale-consumer:shop/api/key", "foreign-change:lease/" + strings.ReplaceAll(name, " ", "/")})
			require.Empty(t, r.Busy)
		})
	}
}

func keysOf(r Report) (out []string) {
	for _, f := range r.Findings {
		out = append(out, f.Key())
	}
	return out
}
