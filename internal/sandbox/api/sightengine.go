package api

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

type sightengine struct{ *emulator }

// Sightengine serves Sightengine's API, paths from /1.0 on. The pair comes as
// parameters, in the query or in a form.
func (a *API) Sightengine() http.Handler {
	f := sightengine{a.emulator(world.Sightengine, sightengineIdentify, sightengineRefuse)}
	for _, method := range []string{"GET", "POST"} {
		f.on(method+" /1.0/check.json", f.check("url", "media"))
		f.on(method+" /1.0/text/check.json", f.check("text"))
	}
	f.otherwise(func(c *call) reply {
		return sightengineFail(http.StatusNotFound, "request_error", 4, "Unknown endpoint")
	})
	return f.mux
}

func sightengineIdentify(c *call) string { return sightengineParams(c).Get("api_secret") }

// sightengineParams are the query's and the form's together.
func sightengineParams(c *call) url.Values {
	out := c.r.URL.Query()
	kind, attributes, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || c.r.Method != http.MethodPost {
		return out
	}
	switch {
	case kind == "application/x-www-form-urlencoded":
		body, err := url.ParseQuery(string(c.body))
		if err != nil {
			return out
		}
		for name, values := range body {
			out[name] = append(out[name], values...)
		}
	case kind == "multipart/form-data":
		readParts(multipart.NewReader(bytes.NewReader(c.body), attributes["boundary"]), out)
	}
	return out
}

func readParts(r *multipart.Reader, out url.Values) {
	for {
		part, err := r.NextPart()
		if err != nil {
			return
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return
		}
		out.Add(part.FormName(), string(content))
	}
}

func sightengineRequest(c *call, operations int) map[string]any {
	return map[string]any{"id": "req_" + strings.ReplaceAll(world.NewUUID(), "-", "")[:22],
		"timestamp": float64(c.now.UnixMilli()) / 1000, "operations": operations}
}

func sightengineFail(status int, kind string, code int, message string) reply {
	return reply{status: status, body: map[string]any{"status": "failure",
		"request": map[string]any{"id": "req_" + strings.ReplaceAll(world.NewUUID(), "-", "")[:22], "operations": 0},
		"error":   map[string]any{"type": kind, "code": code, "message": message}}}
}

// sightengineRefuse is the answer of a fault.
func sightengineRefuse(status int, code, message string) reply {
	if code == "" {
		code = "api_error"
		if status == http.StatusTooManyRequests {
			code = "usage_limit"
		}
	}
	return sightengineFail(status, code, 32, message)
}

// check looks at the pair first and at the media after it, so that a request
// without media tells a dead pair from a living one and costs nothing.
func (f sightengine) check(media ...string) endpoint {
	return func(c *call) reply {
		p := sightengineParams(c)
		user, found := c.state.Partner(&c.cred, "api-user")
		right := found && c.cred.Entry == "api-secret" && user.Value == p.Get("api_user")
		if c.standing != world.Alive || !right {
			return sightengineFail(http.StatusUnauthorized, "argument_error", 1, "Incorrect API user or API secret")
		}
		if p.Get("models") == "" {
			return sightengineFail(http.StatusBadRequest, "argument_error", 2, "Missing models")
		}
		for _, name := range media {
			if p.Get(name) != "" {
				return ok(map[string]any{"status": "success", "request": sightengineRequest(c, 1),
					"media": map[string]any{"id": "med_" + world.NewUUID()[:8]}, "nudity": map[string]any{"none": 0.99}})
			}
		}
		return sightengineFail(http.StatusBadRequest, "media_error", 3, "Missing media")
	}
}
