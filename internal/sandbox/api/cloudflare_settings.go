package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// patchSettings is how older wranglers write several secrets at once: a form
// with the whole list of bindings. One without text keeps its value, a secret
// that is left out is deleted. Plain variables are not touched by the sandbox.
func (f cloudflare) patchSettings(c *call) reply {
	wanted, err := settingsBindings(c)
	if err != nil {
		return cloudflareFail(http.StatusBadRequest, 10021, "the form needs settings with bindings")
	}
	w, found := c.state.Workers[c.r.PathValue("script")]
	if !found || w.Latest() == nil {
		return workerFail(world.ErrNoWorker)
	}
	e := world.Edit{Set: map[string]string{}, TriggeredBy: "secret"}
	for _, b := range wanted {
		if b.Type != "secret_text" || b.Text == nil {
			continue
		}
		if bad := b.check(); bad != nil {
			return *bad
		}
		e.Set[b.Name] = *b.Text
	}
	for name := range w.Latest().Secrets {
		if !slices.ContainsFunc(wanted, func(b binding) bool { return b.Name == name }) {
			e.Delete = append(e.Delete, name)
		}
	}
	v, err := f.edit(c, e)
	if errors.Is(err, world.ErrNotDeployed) {
		return cloudflareFail(http.StatusBadRequest, 10214,
			"Cannot edit the settings of a Worker whose latest version is not deployed.")
	}
	if err != nil {
		return workerFail(err)
	}
	return success(map[string]any{"bindings": bindings(v), "compatibility_date": "2026-10-01"})
}

func settingsBindings(c *call) ([]binding, error) {
	kind, attributes, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, errors.New("no form")
	}
	parts := url.Values{}
	readParts(multipart.NewReader(bytes.NewReader(c.body), attributes["boundary"]), parts)
	var settings struct {
		Bindings []binding `json:"bindings"`
	}
	if err := json.Unmarshal([]byte(parts.Get("settings")), &settings); err != nil {
		return nil, err
	}
	if settings.Bindings == nil {
		return nil, errors.New("no bindings")
	}
	return settings.Bindings, nil
}
