package api

import (
	"net/http"
	"regexp"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

type scaleway struct{ *emulator }

// Scaleway serves Scaleway's API: IAM keys, containers (v1 and v1beta1), the
// registry's management and its token endpoint.
func (a *API) Scaleway() http.Handler {
	f := scaleway{a.emulator(world.Scaleway, func(c *call) string { return c.r.Header.Get("X-Auth-Token") }, scalewayRefuse)}
	f.keys()
	f.containersV1()
	f.containersBeta()
	f.registries()
	f.otherwise(func(c *call) reply {
		if f.otherMethod(c.r) {
			return scalewayFail(http.StatusMethodNotAllowed, scalewayError{Type: "method_not_allowed", Message: "method not allowed"})
		}
		return scalewayFail(http.StatusNotFound, scalewayError{Type: "not_found", Message: "resource is not found"})
	})
	// The docker token endpoint has another way to show a key, on the same host.
	tokens := a.registryEmulator()
	tokens.registryTokens()
	tokens.otherwise(tokens.noRoute)
	outer := http.NewServeMux()
	outer.Handle("/registry-internal/", tokens.mux)
	outer.Handle("/", f.mux)
	return outer
}

// scalewayError is the form of every error; what does not apply is left out.
type scalewayError struct {
	Type         string           `json:"type"`
	Message      string           `json:"message"`
	Method       string           `json:"method,omitempty"`
	Reason       string           `json:"reason,omitempty"`
	Resource     string           `json:"resource,omitempty"`
	ResourceID   string           `json:"resource_id,omitempty"`
	Precondition string           `json:"precondition,omitempty"`
	Help         string           `json:"help_message,omitempty"`
	Details      []scalewayDetail `json:"details,omitempty"`
}

type scalewayDetail struct {
	Resource string `json:"resource,omitempty"`
	Action   string `json:"action,omitempty"`
	Argument string `json:"argument_name,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Help     string `json:"help_message,omitempty"`
}

func scalewayFail(status int, e scalewayError) reply { return reply{status: status, body: e} }

// scalewayRefuse is the answer of a fault.
func scalewayRefuse(status int, code, message string) reply {
	if code == "" {
		code = map[int]string{400: "invalid_arguments", 401: "denied_authentication", 403: "permissions_denied",
			404: "not_found", 409: "transient_state", 429: "too_many_requests"}[status]
	}
	if code == "" {
		code = "internal_error"
	}
	return scalewayFail(status, scalewayError{Type: code, Message: message})
}

func notFound(resource, id string) reply {
	return scalewayFail(http.StatusNotFound, scalewayError{Type: "not_found", Message: "resource is not found",
		Resource: resource, ResourceID: id})
}

func badArgument(name, reason, help string) reply {
	return scalewayFail(http.StatusBadRequest, scalewayError{Type: "invalid_arguments", Message: "invalid argument(s)",
		Details: []scalewayDetail{{Argument: name, Reason: reason, Help: help}}})
}

var uuidShape = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// denied refuses a request whose key does not authenticate.
func denied(c *call) *reply {
	reason := "not_found"
	switch {
	case c.standing == world.Alive && c.cred.Entry == "api-secret":
		return nil
	case c.standing == world.Expired:
		reason = "expired"
	case c.shown != "" && !uuidShape.MatchString(c.shown):
		reason = "invalid_argument"
	}
	r := scalewayFail(http.StatusUnauthorized, scalewayError{Type: "denied_authentication",
		Message: "authentication is denied", Method: "api_key", Reason: reason})
	return &r
}

// handle adds an endpoint for keys that are alive, have the permission set and
// name a region that exists.
func (f scaleway) handle(pattern, permission, resource string, h endpoint) {
	f.on(pattern, func(c *call) reply {
		if bad := denied(c); bad != nil {
			return *bad
		}
		switch c.r.PathValue("region") {
		case "", "fr-par", "nl-ams", "pl-waw":
		default:
			return notFound("region", "")
		}
		if permission != "" && !c.cred.May(permission) && !mayRead(c, permission) {
			return scalewayFail(http.StatusForbidden, scalewayError{Type: "permissions_denied",
				Message: "insufficient permissions", Details: []scalewayDetail{{Resource: resource, Action: action(c.r.Method)}}})
		}
		return h(c)
	})
}

// mayRead reports whether the request only reads and the key has the permission
// set for that (scaleway.com/en/docs/iam/reference-content/permission-sets).
func mayRead(c *call, permission string) bool {
	enough := map[string]string{iamManager: "IAMReadOnly", containersAccess: "ContainersReadOnly", registryAccess: "ContainerRegistryReadOnly"}[permission]
	return c.r.Method == http.MethodGet && enough != "" && c.cred.May(enough)
}

func action(method string) string {
	if method == http.MethodGet {
		return "read"
	}
	return "write"
}

// list answers one page of a list, by the query's page and page_size.
func list[T any](c *call, name string, all []T) reply {
	part := slicePage(all, queryInt(c, "page", 1), queryInt(c, "page_size", 50))
	return ok(map[string]any{name: part, "total_count": len(all)})
}

// updateFailed is the answer where the world cannot be written.
func updateFailed() reply {
	return scalewayFail(http.StatusInternalServerError, scalewayError{Type: "internal_error",
		Message: "the sandbox cannot write its world"})
}
