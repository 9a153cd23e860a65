package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// tokenLife is how long a registry token works.
const tokenLife = 5 * time.Minute

type registry struct{ *emulator }

// Registry serves the container registry's docker API and, on the same host,
// the token endpoint that its challenge names.
func (a *API) Registry() http.Handler {
	f := a.registryEmulator()
	f.registryTokens()
	f.on("GET /v2/{$}", f.ping)
	f.on("GET /v2/{namespace}/{image}/tags/list", f.tagsList)
	f.otherwise(f.noRoute)
	return f.mux
}

func (a *API) registryEmulator() registry {
	f := registry{a.emulator("registry", registryIdentify, registryRefuse)}
	f.issuer = world.Scaleway
	return f
}

func (f registry) registryTokens() {
	f.on("GET /registry-internal/v1/regions/{region}/tokens", f.token)
}

// registryRefuse is the docker API's form of an error.
func registryRefuse(status int, code, message string) reply {
	if code == "" {
		code = map[int]string{401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 429: "TOOMANYREQUESTS"}[status]
	}
	if code == "" {
		code = "UNKNOWN"
	}
	return reply{status: status, body: map[string]any{
		"errors": []map[string]any{{"code": code, "message": message, "detail": nil}}}}
}

func (f registry) noRoute(*call) reply {
	return registryRefuse(http.StatusNotFound, "UNSUPPORTED", "404 page not found")
}

// pass is the content of a registry token. It names the key that it was made
// for, so that it dies with it.
type pass struct {
	CredentialID string    `json:"credential_id"`
	Access       []access  `json:"access"`
	Expires      time.Time `json:"expires"`
}

// access is what a token allows on one repository.
type access struct {
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func sign(s *world.State, p pass) string {
	raw, err := json.Marshal(p)
	if err != nil {
		return ""
	}
	body := base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + mac(s, body)
}

func mac(s *world.State, body string) string {
	h := hmac.New(sha256.New, []byte(s.TokenKey))
	h.Write([]byte(body))
	return hex.EncodeToString(h.Sum(nil))
}

// readPass checks a token's signature and time.
func readPass(c *call, token string) (pass, bool) {
	var p pass
	body, signature, found := strings.Cut(token, ".")
	if !found || !hmac.Equal([]byte(signature), []byte(mac(c.state, body))) {
		return p, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &p) != nil {
		return p, false
	}
	return p, c.now.Before(p.Expires)
}

// registryIdentify takes the key from basic authentication or, behind a token,
// the key that the token was made for.
func registryIdentify(c *call) string {
	if _, password, basic := c.r.BasicAuth(); basic {
		return password
	}
	p, valid := readPass(c, bearer(c))
	if !valid || p.CredentialID == "" {
		return ""
	}
	cred, found := c.state.ByID(world.Scaleway, p.CredentialID)
	if !found {
		return ""
	}
	return cred.Value
}

// token makes a token. A wrong key is answered 404 here, not 401; a key without
// the right gets a token that allows less than was asked.
func (f registry) token(c *call) reply {
	p := pass{Expires: c.now.Add(tokenLife), Access: []access{}}
	if c.shown != "" {
		if c.standing != world.Alive || c.cred.Entry != "api-secret" {
			return notFound("token", "")
		}
		p.CredentialID = c.cred.ID
	}
	for _, scope := range c.r.URL.Query()["scope"] {
		for _, one := range strings.Fields(scope) {
			if a, granted := grant(c, one); granted {
				p.Access = append(p.Access, a)
			}
		}
	}
	return ok(map[string]any{"token": sign(c.state, p), "expires_in": int(tokenLife.Seconds()), "issued_at": c.now})
}

// grant answers a scope "repository:NAME:pull,push" with what may be done.
func grant(c *call, scope string) (access, bool) {
	parts := strings.Split(scope, ":")
	if len(parts) != 3 || parts[0] != "repository" {
		return access{}, false
	}
	a := access{Name: parts[1]}
	for _, action := range strings.Split(parts[2], ",") {
		if mayAct(c, parts[1], action) {
			a.Actions = append(a.Actions, action)
		}
	}
	return a, len(a.Actions) > 0
}

func mayAct(c *call, repository, action string) bool {
	public := false
	if i, found := findImage(c.state, repository); found {
		public = i.Visibility == "public"
	}
	switch {
	case public && action == "pull":
		return true
	case c.standing != world.Alive:
		return false
	case c.cred.May(registryAccess):
		return true
	}
	return action == "pull" && c.cred.May("ContainerRegistryReadOnly")
}

func findImage(s *world.State, repository string) (*world.Image, bool) {
	namespace, name, _ := strings.Cut(repository, "/")
	for _, n := range s.Registries {
		for _, i := range s.Images {
			if n.Name == namespace && i.NamespaceID == n.ID && i.Name == name {
				return i, true
			}
		}
	}
	return nil, false
}

// challenge says where to get a token: at this very host.
func challenge(c *call, scope string) reply {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	realm := scheme + "://" + c.r.Host + "/registry-internal/v1/regions/" + c.state.Scaleway.Region + "/tokens"
	header := `Bearer realm="` + realm + `",service="registry"`
	if scope != "" {
		header += `,scope="` + scope + `"`
	}
	return registryRefuse(http.StatusUnauthorized, "", "authentication required").
		with("Www-Authenticate", header).with("Docker-Distribution-Api-Version", "registry/2.0")
}

// admitted returns the token's content if the token and its key are alive.
func admitted(c *call) (pass, bool) {
	p, valid := readPass(c, bearer(c))
	return p, valid && (p.CredentialID == "" || c.standing == world.Alive)
}

func (f registry) ping(c *call) reply {
	if _, in := admitted(c); !in {
		return challenge(c, "")
	}
	return ok(map[string]any{}).with("Docker-Distribution-Api-Version", "registry/2.0")
}

func (f registry) tagsList(c *call) reply {
	repository := c.r.PathValue("namespace") + "/" + c.r.PathValue("image")
	p, in := admitted(c)
	may := slices.ContainsFunc(p.Access, func(a access) bool {
		return a.Name == repository && slices.Contains(a.Actions, "pull")
	})
	if !in || !may {
		return challenge(c, "repository:"+repository+":pull")
	}
	i, found := findImage(c.state, repository)
	if !found {
		return registryRefuse(http.StatusNotFound, "", "repository name not known to registry")
	}
	tags := []string{}
	for _, t := range i.Tags {
		tags = append(tags, t.Name)
	}
	return ok(map[string]any{"name": repository, "tags": tags}).with("Docker-Distribution-Api-Version", "registry/2.0")
}
