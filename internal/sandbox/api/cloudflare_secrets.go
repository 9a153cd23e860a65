package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const (
	// maxSecret is Cloudflare's limit for one secret, in bytes.
	maxSecret = 5 << 10
	// maxBulk is its limit for the number of secrets in one request.
	maxBulk = 100
	// writeLimit bounds the mark of a write whose process died.
	writeLimit = 10 * time.Second
)

func (f cloudflare) secrets() {
	base := scriptsBase + "/{script}"
	f.script("GET /secrets", f.listSecrets)
	f.script("GET /secrets/{name}", f.getSecret)
	f.handle("PUT "+base+"/secrets", editScripts, f.putSecret)
	f.handle("DELETE "+base+"/secrets/{name}", editScripts, f.deleteSecret)
	f.handle("PATCH "+base+"/secrets-bulk", editScripts, f.bulk)
	f.handle("PATCH "+base+"/settings", editScripts, f.patchSettings)
	f.handle("PATCH /accounts/{account}/workers/workers/{script}/versions/latest", editScripts, f.patchLatest)
}

// binding is a secret as the API takes it; text never goes back.
type binding struct {
	Name string  `json:"name"`
	Type string  `json:"type"`
	Text *string `json:"text,omitempty"`
}

func secretView(name string) binding { return binding{Name: name, Type: "secret_text"} }

func (b binding) check() *reply {
	switch {
	case b.Type != "secret_text" || b.Text == nil || b.Name == "":
		r := cloudflareFail(http.StatusBadRequest, 10021, "a secret needs name, text and type secret_text")
		return &r
	case len(*b.Text) > maxSecret:
		r := cloudflareFail(http.StatusBadRequest, 10054, "Binding "+b.Name+" is larger than 5 KB.")
		return &r
	}
	return nil
}

// listSecrets names what is deployed: that is what the Worker has.
func (f cloudflare) listSecrets(_ *call, w *world.Worker) reply {
	out := []binding{}
	if v := w.Deployed(); v != nil {
		for _, name := range slices.Sorted(maps.Keys(v.Secrets)) {
			out = append(out, secretView(name))
		}
	}
	return success(out)
}

func (f cloudflare) getSecret(c *call, w *world.Worker) reply {
	name := c.r.PathValue("name")
	if v := w.Deployed(); v != nil {
		if _, has := v.Secrets[name]; has {
			return success(secretView(name))
		}
	}
	return workerFail(world.ErrNoSecret)
}

func (f cloudflare) putSecret(c *call) reply {
	var b binding
	if err := c.decode(&b); err != nil {
		return cloudflareFail(http.StatusBadRequest, 10021, "the body is not JSON of the right form")
	}
	if bad := b.check(); bad != nil {
		return *bad
	}
	_, err := f.edit(c, world.Edit{Set: map[string]string{b.Name: *b.Text}, TriggeredBy: "secret"})
	if err != nil {
		return workerFail(err)
	}
	return success(secretView(b.Name))
}

func (f cloudflare) deleteSecret(c *call) reply {
	_, err := f.edit(c, world.Edit{Delete: []string{c.r.PathValue("name")}, Strict: true, TriggeredBy: "secret"})
	if err != nil {
		return workerFail(err)
	}
	return success(nil)
}

// split sorts a merge patch into what is set and what is deleted.
func split(secrets map[string]*binding, named bool) (world.Edit, *reply) {
	e := world.Edit{Set: map[string]string{}, TriggeredBy: "secret"}
	for name, b := range secrets {
		if b == nil {
			e.Delete = append(e.Delete, name)
			continue
		}
		full := *b
		if !named {
			full.Name = name
		}
		if bad := full.check(); bad != nil {
			return e, bad
		}
		if full.Name != name {
			r := cloudflareFail(http.StatusBadRequest, 10021, "the name of a secret must be its key")
			return e, &r
		}
		e.Set[name] = *b.Text
	}
	return e, nil
}

func (f cloudflare) bulk(c *call) reply {
	var body struct {
		Secrets map[string]*binding `json:"secrets"`
	}
	if err := c.decode(&body); err != nil || len(body.Secrets) == 0 {
		return cloudflareFail(http.StatusBadRequest, 10021, "the body needs secrets")
	}
	if len(body.Secrets) > maxBulk {
		return cloudflareFail(http.StatusBadRequest, 100160, "Bulk secret request exceeds the limit of 100 per request.")
	}
	e, bad := split(body.Secrets, true)
	if bad != nil {
		return *bad
	}
	if _, err := f.edit(c, e); err != nil {
		return workerFail(err)
	}
	out := map[string]binding{}
	for name := range e.Set {
		out[name] = secretView(name)
	}
	return success(out)
}

// patchLatest makes a version and does not deploy it.
func (f cloudflare) patchLatest(c *call) reply {
	var body struct {
		Env         map[string]*binding `json:"env"`
		Annotations map[string]string   `json:"annotations"`
	}
	if err := c.decode(&body); err != nil || body.Env == nil {
		return cloudflareFail(http.StatusBadRequest, 10021, "the body needs env")
	}
	e, bad := split(body.Env, false)
	if bad != nil {
		return *bad
	}
	e.KeepBack = true
	e.Message, e.Tag = body.Annotations["workers/message"], body.Annotations["workers/tag"]
	v, err := f.edit(c, e)
	if err != nil {
		return workerFail(err)
	}
	return success(map[string]any{"id": v.ID})
}

// edit writes to a Worker as Cloudflare does: it takes a while, and a second
// write in that while is refused. A caller that goes away does not stop it.
func (f cloudflare) edit(c *call, e world.Edit) (*world.Version, error) {
	script := c.r.PathValue("script")
	var ticket string
	err := c.world.Update(func(s *world.State) (err error) {
		ticket, err = s.BeginWrite(script, e, writeLimit)
		return err
	})
	if err != nil {
		return nil, err
	}
	_ = world.Wait(context.WithoutCancel(c.r.Context()), c.state.Settings.WorkerWrite.Duration())
	var v *world.Version
	var refused error
	err = c.world.Update(func(s *world.State) error {
		s.EndWrite(script, ticket)
		v, refused = s.EditSecrets(script, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, refused
}
