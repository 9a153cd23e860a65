package api

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const (
	scriptsBase = "/accounts/{account}/workers/scripts"
	readScripts = "Workers Scripts Read"
	editScripts = "Workers Scripts Write"
	author      = "ops@sanmarcsoft.com"
)

func (f cloudflare) scripts() {
	f.handle("GET "+scriptsBase, readScripts, f.listScripts)
	f.script("GET /versions", f.listVersions)
	f.script("GET /versions/{version}", f.getVersion)
	f.script("GET /deployments", f.listDeployments)
	f.script("GET /deployments/{deployment}", f.getDeployment)
	f.script("GET /settings", f.getSettings)
	f.script("GET /script-settings", f.getScriptSettings)
	f.handle("POST "+scriptsBase+"/{script}/deployments", editScripts, f.deploy)
}

// script adds an endpoint that reads one Worker.
func (f cloudflare) script(pattern string, h func(*call, *world.Worker) reply) {
	f.handle(withBase(pattern, scriptsBase+"/{script}"), readScripts, func(c *call) reply {
		w, found := c.state.Workers[c.r.PathValue("script")]
		if !found {
			return workerFail(world.ErrNoWorker)
		}
		return h(c, w)
	})
}

// workerFail gives a refusal of the world its Cloudflare code.
func workerFail(err error) reply {
	for _, x := range []struct {
		err          error
		status, code int
		message      string
	}{
		{world.ErrNoWorker, 404, 10007, "This Worker does not exist on your account."},
		{world.ErrBusy, 429, 10013, "Too many requests are currently modifying the script."},
		{world.ErrNotDeployed, 400, 10215, "Secret edit failed. You attempted to modify a secret, but the latest version of your Worker isn't currently deployed."},
		{world.ErrNameTaken, 400, 10053, "Binding name already in use."},
		{world.ErrNoSecret, 404, 10056, "Binding not found."},
		{world.ErrNoVersion, 404, 100146, "Version not found."},
		{world.ErrOlder, 400, 10220, "Deployment refused: secrets have changed since that version."},
	} {
		if errors.Is(err, x.err) {
			r := cloudflareFail(x.status, x.code, x.message)
			if x.status == http.StatusTooManyRequests {
				r = r.with("Retry-After", "1")
			}
			return r
		}
	}
	return cloudflareFail(http.StatusInternalServerError, 10013, "the sandbox cannot write its world")
}

func (f cloudflare) listScripts(c *call) reply {
	out := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(c.state.Workers)) {
		w := c.state.Workers[name]
		view := map[string]any{"id": name, "created_on": stamp(w.CreatedAt), "logpush": false, "usage_model": "standard"}
		if v := w.Latest(); v != nil {
			view["modified_on"], view["etag"] = stamp(v.CreatedAt), v.ID
		}
		out = append(out, view)
	}
	return success(out)
}

func annotations(triggeredBy, message, tag string) map[string]string {
	out := map[string]string{"workers/triggered_by": triggeredBy}
	if message != "" {
		out["workers/message"] = message
	}
	if tag != "" {
		out["workers/tag"] = tag
	}
	return out
}

func versionView(c *call, v *world.Version) map[string]any {
	return map[string]any{"id": v.ID, "number": v.Number,
		"metadata": map[string]any{"author_id": c.state.Cloudflare.UserID, "author_email": author,
			"created_on": stamp(v.CreatedAt), "modified_on": stamp(v.CreatedAt), "source": v.Source, "hasPreview": false},
		"annotations": annotations(v.TriggeredBy, v.Message, v.Tag)}
}

func (f cloudflare) listVersions(c *call, w *world.Worker) reply {
	items := []map[string]any{}
	for _, v := range slices.Backward(w.Versions) {
		items = append(items, versionView(c, v))
	}
	if c.r.URL.Query().Get("deployable") == "true" {
		items = items[:min(len(items), 10)]
	}
	items = slicePage(items, queryInt(c, "page", 1), queryInt(c, "per_page", 10))
	return success(map[string]any{"items": items})
}

// bindings are a version's names, without the values of secrets.
func bindings(v *world.Version) []map[string]any {
	out := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(v.Secrets)) {
		out = append(out, map[string]any{"name": name, "type": "secret_text"})
	}
	for _, name := range slices.Sorted(maps.Keys(v.Vars)) {
		out = append(out, map[string]any{"name": name, "type": "plain_text", "text": v.Vars[name]})
	}
	return out
}

func (f cloudflare) getVersion(c *call, w *world.Worker) reply {
	v, found := w.Version(c.r.PathValue("version"))
	if !found {
		return workerFail(world.ErrNoVersion)
	}
	view := versionView(c, v)
	view["resources"] = map[string]any{"bindings": bindings(v),
		"script":         map[string]any{"etag": v.ID, "handlers": []string{"fetch"}, "last_deployed_from": "wrangler"},
		"script_runtime": map[string]any{"usage_model": "standard", "compatibility_date": "2026-10-01"}}
	return success(view)
}

func deploymentView(d *world.Deployment) map[string]any {
	return map[string]any{"id": d.ID, "created_on": stamp(d.CreatedAt), "source": d.Source, "strategy": "percentage",
		"author_email": author, "versions": d.Shares, "annotations": annotations(d.TriggeredBy, d.Message, "")}
}

func (f cloudflare) listDeployments(_ *call, w *world.Worker) reply {
	out := []map[string]any{}
	for _, d := range slices.Backward(w.Deployments) {
		out = append(out, deploymentView(d))
	}
	return success(map[string]any{"deployments": out[:min(len(out), 10)]})
}

func (f cloudflare) getDeployment(c *call, w *world.Worker) reply {
	for _, d := range w.Deployments {
		if d.ID == c.r.PathValue("deployment") {
			return success(deploymentView(d))
		}
	}
	return cloudflareFail(http.StatusNotFound, 10336, "Deployment not found.")
}

func (f cloudflare) getSettings(_ *call, w *world.Worker) reply {
	v := w.Latest()
	if v == nil {
		return cloudflareFail(http.StatusNotFound, 10222, "The Worker has no uploaded versions.")
	}
	return success(map[string]any{"bindings": bindings(v), "compatibility_date": "2026-10-01",
		"compatibility_flags": []string{}, "usage_model": "standard", "logpush": false, "tags": []string{},
		"tail_consumers": []any{}})
}

func (f cloudflare) getScriptSettings(*call, *world.Worker) reply {
	return success(map[string]any{"logpush": false, "tail_consumers": []any{}})
}

func (f cloudflare) deploy(c *call) reply {
	var body struct {
		Strategy    string            `json:"strategy"`
		Versions    []world.Share     `json:"versions"`
		Annotations map[string]string `json:"annotations"`
	}
	total := 0.0
	err := c.decode(&body)
	for _, v := range body.Versions {
		total += v.Percentage
	}
	if err != nil || body.Strategy != "percentage" || total != 100 || len(body.Versions) > 2 {
		return cloudflareFail(http.StatusBadRequest, 10021, "the deployment needs one or two versions with 100 percent together")
	}
	var d *world.Deployment
	err = c.world.Update(func(s *world.State) (err error) {
		d, err = s.Deploy(c.r.PathValue("script"), body.Annotations["workers/message"], body.Versions,
			c.r.URL.Query().Get("force") == "true")
		return err
	})
	if err != nil {
		return workerFail(err)
	}
	return success(deploymentView(d))
}
