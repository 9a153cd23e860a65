package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// usersFile is where versitygw has its accounts, read at every request.
const usersFile = "users.json"

// account is one of versitygw's accounts. An admin may use every bucket, as a
// key of the project may at Scaleway; a user none that is not its own.
type account struct {
	Access string `json:"access"`
	Secret string `json:"secret"`
	Role   string `json:"role"`
}

// accounts are the IAM keys that live at this moment. Keys that are revoked,
// expired, disabled or not in force yet have none, and the server answers 403.
func accounts(s *world.State) map[string]account {
	now, out := s.Now(), map[string]account{}
	for _, c := range s.Credentials {
		if c.Service != world.Scaleway || c.Entry != "access-key" || c.Standing(now) != world.Alive {
			continue
		}
		secret, paired := s.Partner(c, "api-secret")
		if !paired || secret.Standing(now) != world.Alive {
			continue
		}
		role := "user"
		if c.May("ObjectStorageFullAccess") {
			role = "admin"
		}
		out[c.Value] = account{Access: c.Value, Secret: secret.Value, Role: role}
	}
	return out
}

// sync writes the accounts as the world has them now, whole or not at all. Other
// processes change the world too, and time alone ends keys: so it is called
// before every request, and nobody needs to tell the server of a change.
func (g *gateway) sync() (*world.State, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// Within the lock: an older view must not be written over a newer one.
	state, err := g.world.Snapshot()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(map[string]any{"accessAccounts": accounts(state)})
	if err != nil {
		return nil, fmt.Errorf("encoding the accounts of the S3 server: %w", err)
	}
	if bytes.Equal(raw, g.accounts) {
		return state, nil
	}
	file := filepath.Join(g.run, usersFile)
	if err := os.WriteFile(file+".tmp", raw, 0o600); err != nil {
		return nil, fmt.Errorf("writing the accounts of the S3 server: %w", err)
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		return nil, fmt.Errorf("writing the accounts of the S3 server: %w", err)
	}
	g.accounts = raw
	return state, nil
}

// shownKey is the access key in a signature's header.
var shownKey = regexp.MustCompile(`Credential=([^/,\s]+)/`)

// ServeHTTP hands a request to the S3 server and writes a line to the world's
// log of requests.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line := api.Request{Service: s3Server, Method: r.Method, Path: r.URL.Path}
	answer := &statusWriter{ResponseWriter: w}
	defer func() {
		line.Status = answer.status
		g.log.Record(line, r.UserAgent())
	}()
	if r.Method == http.MethodPatch {
		// versitygw's door for administrators; S3 has no such method.
		answer.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	state, err := g.sync()
	if err != nil {
		answer.WriteHeader(http.StatusInternalServerError)
		return
	}
	if found := shownKey.FindStringSubmatch(r.Header.Get("Authorization")); found != nil {
		if c, known := state.Find(world.Scaleway, found[1]); known {
			line.CredentialID = c.ID
		}
	}
	g.proxy.ServeHTTP(answer, r)
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers and sends it.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the proxy reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
