package cloudflare

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// envelope is the frame of every answer. Success counts, not the HTTP status:
// 200 with success false is a refusal.
type envelope struct {
	Success *bool `json:"success"`
	Errors  []struct {
		Code int `json:"code"`
	} `json:"errors"`
}

// judge implements services.Judge.
func judge(status int, body []byte) *services.Error {
	var e envelope
	if json.Unmarshal(body, &e) != nil || e.Success == nil {
		return &services.Error{
			Kind: services.Outage, Message: "the answer is not Cloudflare's (no envelope)",
			Next: "check services.cloudflare.api in the catalog",
		}
	}
	if *e.Success && status < 400 {
		return nil
	}
	code := 0
	for _, one := range e.Errors {
		// The first code that says something; others only accompany it.
		if code == 0 || !known(code) {
			code = one.Code
		}
	}
	return byCode(status, code)
}

func known(code int) bool {
	_, ok := meaning(http.StatusForbidden, code)
	return ok
}

func byCode(status, code int) *services.Error {
	fault, ok := meaning(status, code)
	if !ok {
		fault = &services.Error{Kind: services.Rejected, Message: "Cloudflare refused the request", Next: nextDoctor}
		switch status {
		case http.StatusUnauthorized:
			fault.Kind, fault.Message = services.Auth, "the token is not accepted"
		case http.StatusForbidden:
			fault.Kind, fault.Message = services.Permission, "the token may not do this"
		case http.StatusNotFound:
			fault.Kind, fault.Message = services.NotFound, "not found"
		}
	}
	if code != 0 {
		fault.Code = strconv.Itoa(code)
	}
	return fault
}

const (
	nextDoctor = "go run . doctor"
	nextDeploy = "wrangler deployments list, then deploy the newest version (wrangler versions deploy) or a new one"
)

// meaning explains the codes that callers act on.
func meaning(status, code int) (*services.Error, bool) {
	switch code {
	case 1000, 1001, 6003, 6111, 6103:
		return &services.Error{Kind: services.Auth, Message: "the token is not valid", Next: nextDoctor}, true
	case 10000, 9109, 9106:
		// Also said of a live token: it belongs elsewhere or lacks a permission.
		if status == http.StatusUnauthorized {
			return &services.Error{Kind: services.Auth, Message: "the token is not accepted here", Next: nextDoctor}, true
		}
		return &services.Error{
			Kind: services.Permission, Message: "the token is not accepted here or lacks the permission",
			Next: "go run . doctor shows what the token may; Worker secrets need Workers Scripts Write on the account",
		}, true
	case 10007, 10090, 10092:
		return &services.Error{
			Kind: services.NotFound, Message: "the Worker does not exist on this account",
			Next: "deploy the Worker first, or correct its name in the catalog",
		}, true
	case 10056:
		return &services.Error{Kind: services.NotFound, Message: "the Worker has no secret of this name", Next: nextDoctor}, true
	case 10053:
		return &services.Error{
			Kind: services.Rejected, Message: "the Worker has a plain variable of one of these names",
			Next: "remove the variable from the Worker's configuration and deploy it",
		}, true
	case 10214, 10215:
		return &services.Error{
			Kind: services.NotDeployed, Message: "the Worker's newest version is not the deployed one",
			Next: nextDeploy,
		}, true
	case 10222:
		return &services.Error{Kind: services.NotDeployed, Message: "the Worker has no uploaded version", Next: "deploy the Worker"}, true
	case 100160:
		return &services.Error{Kind: services.Rejected, Message: "too many secrets in one request", Next: "report this; the limit has changed"}, true
	case 7003, 7001:
		return &services.Error{
			Kind: services.NotFound, Message: "no such address, so one of the ids is wrong",
			Next: "compare cloudflare/account-id and cloudflare/zones/* in pass with the dashboard",
		}, true
	case 971:
		return &services.Error{Kind: services.Busy, Message: "too many requests", Next: "try again in 5 minutes"}, true
	}
	return nil, false
}
