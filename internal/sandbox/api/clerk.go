package api

import (
	"net/http"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

type clerk struct{ *emulator }

// Clerk serves Clerk's backend API, paths from /v1 on.
func (a *API) Clerk() http.Handler {
	f := clerk{a.emulator(world.Clerk, bearer, clerkRefuse)}
	f.handle("GET /v1/instance", f.instance)
	f.handle("GET /v1/jwks", f.jwks)
	f.otherwise(func(*call) reply {
		return clerkFail(http.StatusNotFound, "resource_not_found", "Resource not found")
	})
	return f.mux
}

func clerkFail(status int, code, message string) reply {
	return reply{status: status, body: map[string]any{
		"errors":         []map[string]any{{"message": message, "long_message": message, "code": code}},
		"clerk_trace_id": world.NewUUID()}}
}

// clerkRefuse is the answer of a fault.
func clerkRefuse(status int, code, message string) reply {
	if code == "" {
		code = map[int]string{401: "authentication_invalid", 403: "authorization_invalid",
			404: "resource_not_found", 429: "too_many_requests"}[status]
	}
	if code == "" {
		code = "internal_clerk_error"
	}
	return clerkFail(status, code, message)
}

// handle adds an endpoint for keys that are alive. Only clerk_key_invalid means
// that a key is dead; a header of the wrong form is something else.
func (f clerk) handle(pattern string, h func(*call, world.ClerkInstance) reply) {
	f.on(pattern, func(c *call) reply {
		if c.shown == "" {
			return clerkFail(http.StatusUnauthorized, "authorization_header_format_invalid",
				"Invalid Authorization header format. Must be 'Bearer <YOUR_API_KEY>'")
		}
		if c.standing == world.Alive {
			for _, i := range c.state.Clerk {
				if i.ID == c.cred.Account {
					return h(c, i)
				}
			}
		}
		return clerkFail(http.StatusUnauthorized, "clerk_key_invalid",
			"The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct.")
	})
}

func (f clerk) instance(_ *call, i world.ClerkInstance) reply {
	return ok(map[string]any{"object": "instance", "id": i.ID, "environment_type": i.Environment,
		"allowed_origins": nil, "workspace_id": nil})
}

func (f clerk) jwks(_ *call, i world.ClerkInstance) reply {
	return ok(map[string]any{"keys": []map[string]any{{"kid": i.ID, "alg": "EdDSA", "use": "sig", "kty": "OKP",
		"crv": "Ed25519", "x": i.JWK}}})
}
