package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

type stripe struct{ *emulator }

// Stripe serves Stripe's API, paths from /v1 on.
func (a *API) Stripe() http.Handler {
	f := stripe{a.emulator(world.Stripe, stripeIdentify, stripeRefuse)}
	const hooks, hook = "/v1/webhook_endpoints", "/v1/webhook_endpoints/{endpoint}"
	f.handle("GET /v1/balance", "rak_balance_read", f.balance)
	f.handle("GET /v1/account", "rak_accounts_read", f.account)
	f.handle("GET "+hooks, "rak_webhook_read", f.listHooks)
	f.handle("POST "+hooks, "rak_webhook_write", f.createHook)
	f.handle("GET "+hook, "rak_webhook_read", f.getHook)
	f.handle("POST "+hook, "rak_webhook_write", f.updateHook)
	f.handle("DELETE "+hook, "rak_webhook_write", f.deleteHook)
	f.otherwise(func(c *call) reply {
		return stripeFail(http.StatusNotFound, stripeError{Message: "Unrecognized request URL (" + c.r.Method +
			"). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."})
	})
	return f.mux
}

// stripeIdentify takes the key from either form of Authorization.
func stripeIdentify(c *call) string {
	if user, _, basic := c.r.BasicAuth(); basic {
		return user
	}
	return bearer(c)
}

type stripeError struct {
	Type    string `json:"type"`
	Code    string `json:"code,omitempty"`
	DocURL  string `json:"doc_url,omitempty"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
}

func stripeFail(status int, e stripeError) reply {
	if e.Type == "" {
		e.Type = "invalid_request_error"
	}
	return reply{status: status, body: map[string]any{"error": e}}
}

// stripeRefuse is the answer of a fault.
func stripeRefuse(status int, code, message string) reply {
	e := stripeError{Code: code, Message: message}
	if status >= 500 {
		e.Type = "api_error"
	}
	if status == http.StatusTooManyRequests && code == "" {
		e.Code = "rate_limit"
	}
	return stripeFail(status, e)
}

// maskKey shows a key as Stripe's messages do: its kind and last characters.
func maskKey(key string) string {
	kind := ""
	if parts := strings.SplitN(key, "_", 3); len(parts) == 3 && len(parts[0])+len(parts[1]) <= 8 {
		kind = parts[0] + "_" + parts[1] + "_"
	}
	if len(key) < len(kind)+8 {
		return kind + "****"
	}
	return kind + "****" + key[len(key)-4:]
}

// handle adds an endpoint for keys that are alive and, if restricted, have the
// permission.
func (f stripe) handle(pattern, permission string, h endpoint) {
	f.on(pattern, func(c *call) reply {
		isKey := c.cred.Entry == "secret-key"
		switch {
		case c.shown == "":
			return stripeFail(http.StatusUnauthorized, stripeError{Message: "You did not provide an API key."})
		case isKey && (c.standing == world.Revoked || c.standing == world.Expired):
			return stripeFail(http.StatusUnauthorized, stripeError{Code: "api_key_expired",
				DocURL:  "https://stripe.com/docs/error-codes/api-key-expired",
				Message: "Expired API Key provided: " + maskKey(c.shown)})
		case !isKey || c.standing != world.Alive:
			return stripeFail(http.StatusUnauthorized, stripeError{Message: "Invalid API Key provided: " + maskKey(c.shown)})
		case !c.cred.May(permission):
			return stripeFail(http.StatusForbidden, stripeError{Message: "The provided key '" + maskKey(c.shown) +
				"' does not have the required permissions for this endpoint on account '" + c.cred.Account +
				"'. Having the '" + permission + "' permission would allow this request to continue."})
		}
		return h(c)
	})
}

func live(c *call) bool { return c.cred.Mode == "live" }

func (f stripe) balance(c *call) reply {
	amount := []map[string]any{{"amount": 1204500, "currency": "eur", "source_types": map[string]any{"card": 1204500}}}
	return ok(map[string]any{"object": "balance", "livemode": live(c), "available": amount, "pending": amount})
}

func (f stripe) account(c *call) reply {
	a := c.state.Stripe
	return ok(map[string]any{"id": a.ID, "object": "account", "country": "FR", "default_currency": "eur",
		"charges_enabled": true, "payouts_enabled": true, "details_submitted": true, "type": "standard",
		"email": author, "created": a.CreatedAt.Unix()})
}

func hookView(e *world.WebhookEndpoint) map[string]any {
	status := "enabled"
	if e.Disabled {
		status = "disabled"
	}
	metadata := e.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	return map[string]any{"id": e.ID, "object": "webhook_endpoint", "api_version": nil, "application": nil,
		"created": e.CreatedAt.Unix(), "description": e.Description, "enabled_events": e.Events,
		"livemode": e.Live, "metadata": metadata, "status": status, "url": e.URL}
}

func findHook(c *call, s *world.State) (*world.WebhookEndpoint, bool) {
	for _, e := range s.Webhooks {
		if e.ID == c.r.PathValue("endpoint") && e.Live == live(c) {
			return e, true
		}
	}
	return nil, false
}

func noHook() reply {
	return stripeFail(http.StatusNotFound, stripeError{Code: "resource_missing", Param: "webhook_endpoint",
		Message: "No such webhook endpoint"})
}

// listHooks is newest first; ids page it, as at Stripe.
func (f stripe) listHooks(c *call) reply {
	q := c.r.URL.Query()
	limit := min(queryInt(c, "limit", 10), 100)
	out := []map[string]any{}
	skipping := q.Get("starting_after") != ""
	for _, e := range slices.Backward(c.state.Webhooks) {
		if e.Live != live(c) {
			continue
		}
		if !skipping {
			out = append(out, hookView(e))
		}
		if e.ID == q.Get("starting_after") {
			skipping = false
		}
	}
	return ok(map[string]any{"object": "list", "url": "/v1/webhook_endpoints", "has_more": len(out) > limit,
		"data": out[:min(len(out), limit)]})
}

// form parses the body, which is a form, not JSON.
func form(c *call) (url.Values, error) { return url.ParseQuery(string(c.body)) }

// listOf collects "name[]" and "name[0]", "name[1]", ….
func listOf(v url.Values, name string) []string {
	out := slices.Clone(v[name+"[]"])
	for i := 0; v.Has(name + "[" + strconv.Itoa(i) + "]"); i++ {
		out = append(out, v.Get(name+"["+strconv.Itoa(i)+"]"))
	}
	return out
}

func metadataOf(v url.Values) map[string]string {
	out := map[string]string{}
	for key := range v {
		if name, found := strings.CutPrefix(key, "metadata["); found {
			out[strings.TrimSuffix(name, "]")] = v.Get(key)
		}
	}
	return out
}

// createHook is the only answer that holds the signing secret.
func (f stripe) createHook(c *call) reply {
	v, err := form(c)
	events := listOf(v, "enabled_events")
	switch {
	case err != nil || v.Get("url") == "":
		return stripeFail(http.StatusBadRequest, stripeError{Code: "parameter_missing", Param: "url", Message: "Missing required param: url."})
	case len(events) == 0:
		return stripeFail(http.StatusBadRequest, stripeError{Code: "parameter_missing", Param: "enabled_events",
			Message: "Missing required param: enabled_events."})
	}
	var view map[string]any
	err = c.world.Update(func(s *world.State) error {
		made, err := s.Issue(world.Order{Service: world.Stripe, Entries: []string{"webhook-secret"},
			Webhook: &world.WebhookEndpoint{URL: v.Get("url"), Events: events, Description: v.Get("description"),
				Metadata: metadataOf(v), Live: live(c)}})
		if err != nil {
			return err
		}
		view = hookView(s.Webhooks[len(s.Webhooks)-1])
		view["secret"] = made[0].Value
		return nil
	})
	if err != nil {
		return stripeFail(http.StatusInternalServerError, stripeError{Type: "api_error", Message: "the sandbox cannot write its world"})
	}
	return ok(view)
}

func (f stripe) getHook(c *call) reply {
	e, found := findHook(c, c.state)
	if !found {
		return noHook()
	}
	return ok(hookView(e))
}

// changeHook runs change on the endpoint of the path and shows what it returns.
func (f stripe) changeHook(c *call, change func(s *world.State, e *world.WebhookEndpoint) map[string]any) reply {
	var view map[string]any
	errNone := errors.New("no such endpoint")
	err := c.world.Update(func(s *world.State) error {
		e, found := findHook(c, s)
		if !found {
			return errNone
		}
		view = change(s, e)
		return nil
	})
	switch {
	case errors.Is(err, errNone):
		return noHook()
	case err != nil:
		return stripeFail(http.StatusInternalServerError, stripeError{Type: "api_error", Message: "the sandbox cannot write its world"})
	}
	return ok(view)
}

func (f stripe) updateHook(c *call) reply {
	v, err := form(c)
	if err != nil {
		return stripeFail(http.StatusBadRequest, stripeError{Message: "Invalid form."})
	}
	return f.changeHook(c, func(s *world.State, e *world.WebhookEndpoint) map[string]any {
		if v.Has("disabled") {
			e.Disabled = v.Get("disabled") == "true"
			if secret, found := s.ByID(world.Stripe, e.ID); found {
				secret.Disabled = e.Disabled
			}
		}
		if v.Has("url") {
			e.URL = v.Get("url")
		}
		if v.Has("description") {
			e.Description = v.Get("description")
		}
		if events := listOf(v, "enabled_events"); len(events) > 0 {
			e.Events = events
		}
		return hookView(e)
	})
}

func (f stripe) deleteHook(c *call) reply {
	return f.changeHook(c, func(s *world.State, e *world.WebhookEndpoint) map[string]any {
		id := e.ID
		s.Revoke(id)
		return map[string]any{"id": id, "object": "webhook_endpoint", "deleted": true}
	})
}
