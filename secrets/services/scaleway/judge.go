package scaleway

import (
	"encoding/json"
	"net/http"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

const (
	codeDenied = "denied_authentication"
	// codeTransient: an earlier change of the same resource is not finished.
	codeTransient = "transient_state"
	nextDoctor    = "go run . doctor"
)

// judge implements services.Judge over the "type" of Scaleway's errors.
func judge(status int, body []byte) *services.Error {
	if status < 400 {
		return nil
	}
	var answer struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Type == "" {
		return &services.Error{
			Kind: services.Outage, Message: "the answer is not Scaleway's",
			Next: "check services.scaleway.api in the catalog",
		}
	}
	fault := &services.Error{Code: answer.Type, Next: nextDoctor}
	switch answer.Type {
	case codeDenied:
		fault.Kind, fault.Message = services.Auth, "the key is not accepted"
		if answer.Reason == "expired" {
			fault.Message = "the key has expired"
		}
	case "permissions_denied":
		fault.Kind, fault.Message = services.Permission, "the key may not do this"
		fault.Next = "look at the policies of the key's bearer at https://console.scaleway.com/iam"
	case "not_found", "unknown_resource":
		fault.Kind, fault.Message = services.NotFound, "not found"
	case "too_many_requests":
		fault.Kind, fault.Message = services.Busy, "too many requests"
	case "invalid_arguments", "quotas_exceeded", "locked", "precondition_failed", "resource_expired", codeTransient:
		fault.Kind, fault.Message = services.Rejected, "Scaleway refused the request"
	default:
		// A word that is not documented is not repeated.
		fault.Code, fault.Kind, fault.Message = "", services.Rejected, "Scaleway refused the request"
		switch status {
		case http.StatusUnauthorized:
			fault.Kind = services.Auth
		case http.StatusForbidden:
			fault.Kind = services.Permission
		}
	}
	return fault
}
