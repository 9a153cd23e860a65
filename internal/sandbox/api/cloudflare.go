package api

import (
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// cloudflareBase is where Cloudflare's API starts.
const cloudflareBase = "/client/v4"

type cloudflare struct{ *emulator }

// Cloudflare serves Cloudflare's API, paths from /client/v4 on.
func (a *API) Cloudflare() http.Handler {
	f := cloudflare{a.emulator(world.Cloudflare, bearer, cloudflareRefuse)}
	f.tokens()
	f.scripts()
	f.secrets()
	f.handle("GET /accounts", "Account Settings Read", f.listAccounts)
	f.handle("GET /accounts/{account}", "Account Settings Read", f.getAccount)
	f.handle("GET /zones", "Zone Read", f.listZones)
	f.handle("GET /zones/{zone}", "Zone Read", f.getZone)
	f.handle("GET /user", "User Details Read", f.getUser)
	f.handle("GET /memberships", "Memberships Read", f.listMemberships)
	f.otherwise(f.noRoute)
	return f.mux
}

type cloudflareError struct {
	Code    int               `json:"code"`
	Message string            `json:"message"`
	Chain   []cloudflareError `json:"error_chain,omitempty"`
}

// envelope is the form of every answer.
type envelope struct {
	Result   any               `json:"result"`
	Success  bool              `json:"success"`
	Errors   []cloudflareError `json:"errors"`
	Messages []cloudflareError `json:"messages"`
	Info     *resultInfo       `json:"result_info,omitempty"`
}

type resultInfo struct {
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Count      int `json:"count"`
	TotalCount int `json:"total_count"`
	TotalPages int `json:"total_pages"`
}

func success(result any) reply {
	return ok(envelope{Result: result, Success: true, Errors: []cloudflareError{}, Messages: []cloudflareError{}})
}

// page is one page of a list, by the query's page and per_page.
func page[T any](c *call, all []T) reply {
	n, size := queryInt(c, "page", 1), queryInt(c, "per_page", 20)
	part := slicePage(all, n, size)
	return ok(envelope{Result: part, Success: true, Errors: []cloudflareError{}, Messages: []cloudflareError{},
		Info: &resultInfo{Page: n, PerPage: size, Count: len(part), TotalCount: len(all),
			TotalPages: (len(all) + size - 1) / size}})
}

func queryInt(c *call, name string, otherwise int) int {
	n, err := strconv.Atoi(c.r.URL.Query().Get(name))
	if err != nil || n < 1 {
		return otherwise
	}
	return n
}

func slicePage[T any](all []T, page, size int) []T {
	start := min((page-1)*size, len(all))
	return append([]T{}, all[start:min(start+size, len(all))]...)
}

func cloudflareFail(status, code int, message string, chain ...cloudflareError) reply {
	return reply{status: status, body: envelope{Messages: []cloudflareError{},
		Errors: []cloudflareError{{Code: code, Message: message, Chain: chain}}}}
}

// cloudflareRefuse is the answer of a fault.
func cloudflareRefuse(status int, code, message string) reply {
	n, err := strconv.Atoi(code)
	if err != nil {
		n = map[int]int{401: 10000, 403: 10000, 404: 7003}[status]
	}
	if n == 0 {
		n = 10013
	}
	return cloudflareFail(status, n, message)
}

func (f cloudflare) noRoute(c *call) reply {
	if f.otherMethod(c.r) {
		return cloudflareFail(http.StatusMethodNotAllowed, 7001, "Method "+c.r.Method+" not available for that URI.")
	}
	return cloudflareFail(http.StatusNotFound, 7003,
		"Could not route to the path, perhaps your object identifier is invalid?")
}

// handle adds an endpoint that needs a token which is alive, may do what the
// permission says (empty: anything) and fits the account in the path.
func (f cloudflare) handle(pattern, permission string, h endpoint) {
	f.on(withBase(pattern, cloudflareBase), func(c *call) reply {
		if bad := cloudflareHeader(c); bad != nil {
			return *bad
		}
		if c.standing != world.Alive {
			return cloudflareFail(http.StatusUnauthorized, 10000, "Authentication error")
		}
		if bad := cloudflareAccount(c); bad != nil {
			return *bad
		}
		if permission != "" && !mayHere(c, permission) {
			return cloudflareFail(http.StatusForbidden, 10000, "Authentication error")
		}
		return h(c)
	})
}

// withBase turns "GET /zones" into "GET /client/v4/zones".
func withBase(pattern, base string) string {
	for i, r := range pattern {
		if r == '/' {
			return pattern[:i] + base + pattern[i:]
		}
	}
	return pattern
}

var (
	tokenShape = regexp.MustCompile(`^[A-Za-z0-9_-]{40,80}$`)
	hexID      = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// cloudflareHeader refuses a missing or misshapen Authorization header.
func cloudflareHeader(c *call) *reply {
	switch {
	case c.r.Header.Get("Authorization") == "":
		r := cloudflareFail(http.StatusBadRequest, 1001, `Missing "Authorization" header`)
		return &r
	case !tokenShape.MatchString(c.shown):
		r := cloudflareFail(http.StatusBadRequest, 6003, "Invalid request headers",
			cloudflareError{Code: 6111, Message: "Invalid format for Authorization header"})
		return &r
	}
	return cloudflareLocation(c)
}

// cloudflareAccount refuses another account than the token's.
func cloudflareAccount(c *call) *reply {
	account := c.r.PathValue("account")
	if account == "" || account == c.cred.Account {
		return nil
	}
	r := cloudflareFail(http.StatusForbidden, 10000, "Authentication error")
	if !hexID.MatchString(account) {
		r = cloudflareFail(http.StatusNotFound, 7003,
			"Could not route to the path, perhaps your object identifier is invalid?")
	}
	return &r
}

func accountView(s *world.State) map[string]any {
	a := s.Cloudflare
	return map[string]any{"id": a.ID, "name": a.Name, "type": "standard", "created_on": a.CreatedAt,
		"settings": map[string]any{"enforce_twofactor": true}}
}

func (f cloudflare) getAccount(c *call) reply { return success(accountView(c.state)) }

func (f cloudflare) listAccounts(c *call) reply {
	if c.cred.Kind == world.KindAccount {
		return cloudflareFail(http.StatusForbidden, 1001, "List accounts endpoint does not support account owned tokens.")
	}
	return page(c, []map[string]any{accountView(c.state)})
}

func (f cloudflare) getUser(c *call) reply {
	if c.cred.Kind == world.KindAccount {
		return cloudflareFail(http.StatusForbidden, 9109, "Invalid access token")
	}
	return success(map[string]any{"id": c.state.Cloudflare.UserID, "email": c.state.Cloudflare.Email})
}

func (f cloudflare) listMemberships(c *call) reply {
	if c.cred.Kind == world.KindAccount {
		return cloudflareFail(http.StatusForbidden, 9106, "Authentication failed")
	}
	return page(c, []map[string]any{{"id": c.state.Cloudflare.UserID, "status": "accepted",
		"roles": []string{"Administrator"}, "account": accountView(c.state)}})
}

func zoneView(s *world.State, z world.Zone) map[string]any {
	a := s.Cloudflare
	names := []string{"ada.ns.cloudflare.com", "lou.ns.cloudflare.com"}
	return map[string]any{
		"id": z.ID, "name": z.Name, "status": "active", "paused": false, "type": "full", "development_mode": 0,
		"account":    map[string]any{"id": a.ID, "name": a.Name},
		"owner":      map[string]any{"id": a.UserID, "name": a.Email, "type": "user"},
		"meta":       map[string]any{"step": 2, "page_rule_quota": 3},
		"created_on": a.CreatedAt, "modified_on": a.CreatedAt, "activated_on": a.CreatedAt,
		"name_servers": names, "original_name_servers": []string{"ns1.example.net", "ns2.example.net"},
		"original_registrar": nil, "original_dnshost": nil,
	}
}

func (f cloudflare) listZones(c *call) reply {
	zones := []map[string]any{}
	for _, z := range c.state.Cloudflare.Zones {
		if name := c.r.URL.Query().Get("name"); name == "" || name == z.Name {
			zones = append(zones, zoneView(c.state, z))
		}
	}
	return page(c, zones)
}

func (f cloudflare) getZone(c *call) reply {
	for _, z := range c.state.Cloudflare.Zones {
		if z.ID == c.r.PathValue("zone") {
			return success(zoneView(c.state, z))
		}
	}
	return cloudflareFail(http.StatusNotFound, 7003,
		"Could not route to the path, perhaps your object identifier is invalid?")
}

// stamp is a time as Cloudflare writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
