package api

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"

	"golang.org/x/crypto/nacl/box"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

type github struct{ *emulator }

// vault finds the repository, environment or organization of a request's path.
type vault func(r *http.Request, s *world.State) (*world.Repository, bool)

// GitHub serves the Actions secrets of GitHub's API: those of repositories, of
// their environments and of organizations.
func (a *API) GitHub() http.Handler {
	f := github{a.emulator(world.GitHub, githubIdentify, githubRefuse)}
	f.serve("/repos/{owner}/{repo}/actions/secrets", repositoryVault, repositorySecretView)
	f.serve("/repos/{owner}/{repo}/environments/{environment}/secrets", environmentVault, repositorySecretView)
	const organization = "/orgs/{org}/actions/secrets"
	f.serve(organization, organizationVault, organizationSecretView)
	f.handle("GET "+organization+"/{name}/repositories", "Secrets Read", organizationVault, f.selected)
	f.otherwise(func(*call) reply { return githubRefuse(http.StatusNotFound, "", "Not Found") })
	return f.mux
}

func (f github) serve(base string, of vault, view actionsView) {
	f.handle("GET "+base, "Secrets Read", of, f.list(view))
	f.handle("GET "+base+"/public-key", "Secrets Read", of, f.publicKey)
	f.handle("GET "+base+"/{name}", "Secrets Read", of, f.get(view))
	f.handle("PUT "+base+"/{name}", "Secrets Write", of, f.put(of))
	f.handle("DELETE "+base+"/{name}", "Secrets Write", of, f.delete(of))
}

func repositoryVault(r *http.Request, s *world.State) (*world.Repository, bool) {
	found, ok := s.GitHub[r.PathValue("owner")+"/"+r.PathValue("repo")]
	return found, ok
}

func environmentVault(r *http.Request, s *world.State) (*world.Repository, bool) {
	of, ok := repositoryVault(r, s)
	if !ok {
		return nil, false
	}
	found, ok := of.Environments[r.PathValue("environment")]
	return found, ok
}

func organizationVault(r *http.Request, s *world.State) (*world.Repository, bool) {
	found, ok := s.Organizations[r.PathValue("org")]
	return found, ok
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

// handle adds an endpoint for tokens that are alive. What the token may not see
// does not exist for it.
func (f github) handle(pattern, permission string, of vault, h func(*call, *world.Repository) reply) {
	f.on(pattern, func(c *call) reply {
		found, exists := of(c.r, c.state)
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
		return h(c, found)
	})
}

func (f github) publicKey(_ *call, r *world.Repository) reply {
	return ok(map[string]any{"key_id": r.KeyID, "key": r.PublicKey})
}

// actionsView shows a secret without its value.
type actionsView func(c *call, name string, s world.RepositorySecret) map[string]any

func repositorySecretView(_ *call, name string, s world.RepositorySecret) map[string]any {
	return map[string]any{"name": name, "created_at": s.CreatedAt, "updated_at": s.UpdatedAt}
}

func organizationSecretView(c *call, name string, s world.RepositorySecret) map[string]any {
	view := repositorySecretView(c, name, s)
	view["visibility"] = s.Visibility
	if s.Visibility == visibilitySelected {
		view["selected_repositories_url"] = "https://api.github.com/orgs/" + c.r.PathValue("org") + "/actions/secrets/" + name + "/repositories"
	}
	return view
}

func (f github) list(view actionsView) func(*call, *world.Repository) reply {
	return func(c *call, r *world.Repository) reply {
		out := []map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(r.Secrets)) {
			out = append(out, view(c, name, r.Secrets[name]))
		}
		return ok(map[string]any{"total_count": len(out),
			"secrets": slicePage(out, queryInt(c, "page", 1), queryInt(c, "per_page", 30))})
	}
}

func (f github) get(view actionsView) func(*call, *world.Repository) reply {
	return func(c *call, r *world.Repository) reply {
		name := c.r.PathValue("name")
		s, found := r.Secrets[name]
		if !found {
			return githubRefuse(http.StatusNotFound, "", "Not Found")
		}
		return ok(view(c, name, s))
	}
}

// selected lists the repositories that may use an organization's secret.
func (f github) selected(c *call, r *world.Repository) reply {
	s, found := r.Secrets[c.r.PathValue("name")]
	if !found || s.Visibility != visibilitySelected {
		return githubRefuse(http.StatusNotFound, "", "Not Found")
	}
	out := []map[string]any{}
	for _, id := range s.Selected {
		out = append(out, map[string]any{"id": id})
	}
	return ok(map[string]any{"total_count": len(out),
		"repositories": slicePage(out, queryInt(c, "page", 1), queryInt(c, "per_page", 30))})
}

// open opens a sealed box with the vault's private key.
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

const (
	visibilitySelected = "selected"
	// maxActionsSecret is GitHub's limit, in bytes.
	maxActionsSecret = 48 * 1024
)

// secretOrder is the body of a PUT.
type secretOrder struct {
	EncryptedValue string  `json:"encrypted_value"`
	KeyID          string  `json:"key_id"`
	Visibility     string  `json:"visibility"`
	Selected       []int64 `json:"selected_repository_ids"`
}

// check opens the sealed value, or says what is wrong.
func (o secretOrder) check(c *call, r *world.Repository) (value string, wrong *reply) {
	bad := func(message string) (string, *reply) {
		refused := githubRefuse(http.StatusUnprocessableEntity, "", "Bad request - "+message)
		return "", &refused
	}
	if o.KeyID != r.KeyID {
		return bad("key_id does not match")
	}
	value, opened := open(r, o.EncryptedValue)
	if !opened {
		return bad("encrypted_value cannot be opened")
	}
	if len(value) > maxActionsSecret {
		return bad("value is too large")
	}
	if c.r.PathValue("org") == "" {
		return value, nil
	}
	if !slices.Contains([]string{"all", "private", visibilitySelected}, o.Visibility) {
		return bad("visibility is required")
	}
	if o.Visibility != visibilitySelected && o.Selected != nil {
		return bad("selected_repository_ids needs visibility selected")
	}
	return value, nil
}

func (f github) put(of vault) func(*call, *world.Repository) reply {
	return func(c *call, r *world.Repository) reply {
		var order secretOrder
		if err := c.decode(&order); err != nil {
			return githubRefuse(http.StatusUnprocessableEntity, "", "Bad request - not the right form")
		}
		value, wrong := order.check(c, r)
		if wrong != nil {
			return *wrong
		}
		name := c.r.PathValue("name")
		existed := false
		err := c.world.Update(func(s *world.State) error {
			now := s.Now()
			r, found := of(c.r, s)
			if !found {
				return errNotThere
			}
			secret, had := r.Secrets[name]
			if existed = had; !had {
				secret.CreatedAt = now
			}
			secret.Value, secret.UpdatedAt = value, now
			// What is left out of a PUT is not kept.
			secret.Visibility, secret.Selected = order.Visibility, order.Selected
			r.Secrets[name] = secret
			return nil
		})
		switch {
		case err != nil:
			return githubFailed(err)
		case existed:
			return reply{status: http.StatusNoContent}
		}
		return reply{status: http.StatusCreated, body: map[string]any{}}
	}
}

func githubFailed(err error) reply {
	if errors.Is(err, errNotThere) {
		return githubRefuse(http.StatusNotFound, "", "Not Found")
	}
	return githubRefuse(http.StatusInternalServerError, "", "the sandbox cannot write its world")
}

func (f github) delete(of vault) func(*call, *world.Repository) reply {
	return func(c *call, _ *world.Repository) reply {
		name := c.r.PathValue("name")
		err := c.world.Update(func(s *world.State) error {
			r, found := of(c.r, s)
			if !found {
				return errNotThere
			}
			if _, existed := r.Secrets[name]; !existed {
				return errNotThere
			}
			delete(r.Secrets, name)
			return nil
		})
		if err != nil {
			return githubFailed(err)
		}
		return reply{status: http.StatusNoContent}
	}
}
