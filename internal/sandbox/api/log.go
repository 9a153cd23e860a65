package api

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// Request is one line of requests.ndjson.
type Request struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Method  string    `json:"method"`
	// Path is without the query, and a credential in it is replaced.
	Path string `json:"path"`
	// Status is 0 where the connection was dropped.
	Status int `json:"status"`
	// CredentialID is that of the credential shown, dead ones too; empty if
	// nothing or an unknown one was shown.
	CredentialID string `json:"credential_id"`
	// RunID is from the User-Agent: "… run/ID".
	RunID     string `json:"run_id"`
	Unplanned bool   `json:"unplanned,omitempty"`
}

func (e *emulator) entry(c *call, status int) Request {
	return Request{Time: time.Now().UTC(), Service: e.service, Method: c.r.Method,
		Path: maskPath(c.state, c.r.URL.Path), Status: status, CredentialID: c.cred.ID,
		RunID: runID(c.r.UserAgent()), Unplanned: c.unplanned}
}

func runID(agent string) string {
	for _, word := range strings.Fields(agent) {
		if id, found := strings.CutPrefix(word, "run/"); found {
			return id
		}
	}
	return ""
}

// maskPath puts ids in the place of credentials: Scaleway's API has the access
// key in its paths, and a client may be confused about where a value goes.
func maskPath(s *world.State, path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		for _, c := range s.Credentials {
			if part != "" && part == c.Value {
				parts[i] = c.ID
			}
		}
		if secretShape.MatchString(parts[i]) {
			parts[i] = "[masked]"
		}
	}
	return strings.Join(parts, "/")
}

// secretShape fits what starts as the services' credentials do.
var secretShape = regexp.MustCompile(`^(SCW[A-Z0-9]{17}$|(sk|rk|pk)_(live|test)_|whsec_|cf(k|ut|at)_|ghp_)`)

// write appends one line in one write, so that lines of several processes do
// not mix. The file is opened for each: a reset removes it under us.
func (l *requestLog) write(r Request) {
	line, err := json.Marshal(r)
	if err != nil {
		return
	}
	line = append(line, '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to != nil {
		_, _ = l.to.Write(line)
		return
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = f.Write(line)
	_ = f.Close()
}

// Record writes a line for a server that is no emulator. Time and run id are
// filled in, the latter from the request's User-Agent.
func (a *API) Record(r Request, agent string) {
	r.Time, r.RunID = time.Now().UTC(), runID(agent)
	a.log.write(r)
}
