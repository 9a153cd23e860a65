package api

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"

	"golang.org/x/crypto/nacl/box"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

type github struct{ *emulator }

// GitHub serves the Actions secrets of GitHub's API.
func (a *API) GitHub() http.Handler {
	f := github{a.emulator(world.GitHub, githubIdentify, githubRefuse)}
	const base = "/repos/{owner}/{repo}/actions/secrets"
	f.handle("GET "+base, "Secrets Read", f.list)
	f.handle("GET "+base+"/public-key", "Secrets Read", f.publicKey)
	f.handle("GET "+base+"/{name}", "Secrets Read", f.get)
	f.handle("PUT "+base+"/{name}", "Secrets Write", f.put)
	f.handle("DELETE "+base+"/{name}", "Secrets Write", f.delete)
	f.otherwise(func(*call) reply { return githubRefuse(http.StatusNotFound, "", "Not Found") })
	return f.mux
}

func githubIdentify(c *call) string {
	if t := bearer(c); t != "" {
		return t
	}
	const scheme = "token "
	if h := c.r.Header.Get("Authorization"); len(h) > len(scheme) && h[:len(scheme)] == scheme {
		return h[len(scheme):]
	}
	return ""
}

func githubRefuse(status int, _, message string) reply {
	return reply{status: status, body: map[string]any{"message": message,
		"documentation_url": "https://docs.github.com/rest"}}
}

// handle adds an endpoint for tokens that are alive. A repository that the
// token may not see does not exist for it.
func (f github) handle(pattern, permission string, h func(*call, string) reply) {
	f.on(pattern, func(c *call) reply {
		name := c.r.PathValue("owner") + "/" + c.r.PathValue("repo")
		_, exists := c.state.GitHub[name]
		switch {
		case c.shown == "":
			return githubRefuse(http.StatusUnauthorized, "", "Requires authentication")
		case c.standing != world.Alive:
			return githubRefuse(http.StatusUnauthorized, "", "Bad credentials")
		case !exists:
			return githubRefuse(http.StatusNotFound, "", "Not Found")
		case !c.cred.May(permission):
			return githubRefuse(http.StatusForbidden, "", "Resource not accessible by personal access token")
		}
		return h(c, name)
	})
}

func (f github) publicKey(c *call, repo string) reply {
	r := c.state.GitHub[repo]
	return ok(map[string]any{"key_id": r.KeyID, "key": r.PublicKey})
}

func secretNameView(name string, s world.RepositorySecret) map[string]any {
	return map[string]any{"name": name, "created_at": s.CreatedAt, "updated_at": s.UpdatedAt}
}

func (f github) list(c *call, repo string) reply {
	r := c.state.GitHub[repo]
	out := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(r.Secrets)) {
		out = append(out, secretNameView(name, r.Secrets[name]))
	}
	return ok(map[string]any{"total_count": len(out),
		"secrets": slicePage(out, queryInt(c, "page", 1), queryInt(c, "per_page", 30))})
}

func (f github) get(c *call, repo string) reply {
	name := c.r.PathValue("name")
	s, found := c.state.GitHub[repo].Secrets[name]
	if !found {
		return githubRefuse(http.StatusNotFound, "", "Not Found")
	}
	return ok(secretNameView(name, s))
}

// open opens a sealed box with the repository's private key.
func open(r *world.Repository, sealed string) (string, bool) {
	raw, err1 := base64.StdEncoding.DecodeString(sealed)
	public, err2 := base64.StdEncoding.DecodeString(r.PublicKey)
	private, err3 := base64.StdEncoding.DecodeString(r.PrivateKey)
	if err1 != nil || err2 != nil || err3 != nil || len(public) != 32 || len(private) != 32 {
		return "", false
	}
	text, opened := box.OpenAnonymous(nil, raw, (*[32]byte)(public), (*[32]byte)(private))
	return string(text), opened
}

func (f github) put(c *call, repo string) reply {
	var body struct {
		EncryptedValue string `json:"encrypted_value"`
		KeyID          string `json:"key_id"`
	}
	if err := c.decode(&body); err != nil || body.KeyID != c.state.GitHub[repo].KeyID {
		return githubRefuse(http.StatusUnprocessableEntity, "", "Bad request - key_id does not match")
	}
	value, opened := open(c.state.GitHub[repo], body.EncryptedValue)
	if !opened {
		return githubRefuse(http.StatusUnprocessableEntity, "", "Bad request - encrypted_value cannot be opened")
	}
	name := c.r.PathValue("name")
	existed := false
	err := c.world.Update(func(s *world.State) error {
		secrets := s.GitHub[repo].Secrets
		now := s.Now()
		secret, had := secrets[name]
		if existed = had; !had {
			secret.CreatedAt = now
		}
		secret.Value, secret.UpdatedAt = value, now
		secrets[name] = secret
		return nil
	})
	switch {
	case err != nil:
		return githubRefuse(http.StatusInternalServerError, "", "the sandbox cannot write its world")
	case existed:
		return reply{status: http.StatusNoContent}
	}
	return reply{status: http.StatusCreated, body: map[string]any{}}
}

func (f github) delete(c *call, repo string) reply {
	name := c.r.PathValue("name")
	existed := false
	err := c.world.Update(func(s *world.State) error {
		_, existed = s.GitHub[repo].Secrets[name]
		delete(s.GitHub[repo].Secrets, name)
		return nil
	})
	switch {
	case err != nil:
		return githubRefuse(http.StatusInternalServerError, "", "the sandbox cannot write its world")
	case !existed:
		return githubRefuse(http.StatusNotFound, "", "Not Found")
	}
	return reply{status: http.StatusNoContent}
}
