package world

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// tamper is one way to change something behind the program's back.
type tamper struct {
	usage string
	args  int
	do    func(s *State, a []string) error
}

func tampers() map[string]tamper {
	return map[string]tamper{
		"worker-undeployed":   {"WORKER: a newer version that is not deployed (10215)", 1, undeploy},
		"worker-removed":      {"WORKER: the Worker is gone (10007)", 1, removeWorker},
		"worker-upload":       {"WORKER: somebody's deploy that drops all secrets", 1, uploadOver},
		"worker-secret":       {"WORKER NAME VALUE: another value, also under a name that nobody declared", 3, setWorkerSecret},
		"worker-no-secret":    {"WORKER NAME: the secret is deleted", 2, deleteWorkerSecret},
		"worker-var":          {"WORKER NAME: a plain variable takes the name (10053)", 2, takeName},
		"code-rolled-back":    {"WORKER: what `wrangler rollback` does: the version before serves again, with its secrets", 1, rollBackCode},
		"permission-removed":  {"CREDENTIAL-ID PERMISSION: the credential loses it", 2, removePermission},
		"revoked":             {"CREDENTIAL-ID: revoked at the dashboard", 1, revokeByID},
		"revived":             {"CREDENTIAL-ID: a revoked or disabled one works again, or never died", 1, reviveByID},
		"disabled":            {"CREDENTIAL-ID: disabled at the dashboard", 1, disableByID},
		"expired":             {"CREDENTIAL-ID: its time is over", 1, expireByID},
		"expires":             {"CREDENTIAL-ID DURATION: its time is over by then (36h, 5d)", 2, expireLater},
		"container-error":     {"CONTAINER MESSAGE: new revisions do not come up", 2, breakContainer},
		"container-breaks":    {"CONTAINER MESSAGE: its next revision does not come up", 2, breakNext},
		"container-mends":     {"CONTAINER: its next revision comes up", 1, mendNext},
		"container-mended":    {"CONTAINER: they do again", 1, mendContainer},
		"container-stopped":   {"CONTAINER: nothing of it serves until its next revision", 1, stopContainer},
		"container-secret":    {"CONTAINER NAME VALUE: another value, also under a name that nobody declared", 3, setContainerSecret},
		"container-no-secret": {"CONTAINER NAME: the secret is deleted", 2, deleteContainerSecret},
		"ci-secret":           {"PLACE NAME VALUE: an Actions secret; PLACE is OWNER/REPO, OWNER/REPO:ENVIRONMENT or ORGANIZATION", 3, setActionsSecret},
		"ci-no-secret":        {"PLACE NAME: the Actions secret is deleted", 2, deleteActionsSecret},
	}
}

// TamperUsage lists the kinds of tampering, one "KIND ARGUMENTS: what it does"
// a line, sorted.
func TamperUsage() []string {
	var out []string
	for kind, t := range tampers() {
		out = append(out, kind+" "+t.usage)
	}
	sort.Strings(out)
	return out
}

// Tamper changes something behind the program's back; see TamperUsage.
func (w *World) Tamper(kind string, args ...string) error {
	t, ok := tampers()[kind]
	if !ok {
		kinds := slices.Sorted(maps.Keys(tampers()))
		return fmt.Errorf("tampering: no kind %q (there are %s)", kind, strings.Join(kinds, ", "))
	}
	if len(args) != t.args {
		return fmt.Errorf("tampering: %s takes %s", kind, t.usage)
	}
	if err := w.Update(func(s *State) error { return t.do(s, args) }); err != nil {
		return fmt.Errorf("tampering %s: %w", kind, err)
	}
	return nil
}

func undeploy(s *State, a []string) error {
	_, err := s.EditSecrets(a[0], Edit{KeepBack: true, TriggeredBy: "upload", Source: "wrangler"})
	return err
}

func removeWorker(s *State, a []string) error {
	if _, ok := s.Workers[a[0]]; !ok {
		return ErrNoWorker
	}
	delete(s.Workers, a[0])
	return nil
}

func uploadOver(s *State, a []string) error {
	w, ok := s.Workers[a[0]]
	if !ok {
		return ErrNoWorker
	}
	v := s.nextVersion(w, "upload")
	v.Secrets, v.Source = map[string]string{}, "wrangler"
	w.Versions = append(w.Versions, v)
	s.deploy(w, "upload", "", []Share{{VersionID: v.ID, Percentage: 100}})
	return nil
}

func setWorkerSecret(s *State, a []string) error {
	_, err := s.EditSecrets(a[0], Edit{Set: map[string]string{a[1]: a[2]}, TriggeredBy: "secret", Source: "dash"})
	return err
}

func deleteWorkerSecret(s *State, a []string) error {
	_, err := s.EditSecrets(a[0], Edit{Delete: []string{a[1]}, Strict: true, TriggeredBy: "secret", Source: "dash"})
	return err
}

func takeName(s *State, a []string) error {
	w, ok := s.Workers[a[0]]
	if !ok {
		return ErrNoWorker
	}
	v := s.nextVersion(w, "upload")
	delete(v.Secrets, a[1])
	v.Vars[a[1]] = "plain"
	w.Versions = append(w.Versions, v)
	s.deploy(w, "upload", "", []Share{{VersionID: v.ID, Percentage: 100}})
	return nil
}

// byAnyID returns the credential, the two of a pair, with that id or group.
func byAnyID(s *State, id string) ([]*Credential, error) {
	groups := map[string]bool{id: true}
	for _, c := range s.Credentials {
		if c.ID == id && c.Group != "" {
			groups[c.Group] = true
		}
	}
	var out []*Credential
	for _, c := range s.Credentials {
		if c.ID == id || groups[c.Group] {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no credential with id %q", id)
	}
	return out, nil
}

func removePermission(s *State, a []string) error {
	cs, err := byAnyID(s, a[0])
	if err != nil {
		return err
	}
	for _, c := range cs {
		if !slices.Contains(c.Permissions, a[1]) {
			return fmt.Errorf("the credential has %s, not %q", strings.Join(c.Permissions, ", "), a[1])
		}
		c.Permissions = slices.DeleteFunc(c.Permissions, func(p string) bool { return p == a[1] })
	}
	return nil
}

func revokeByID(s *State, a []string) error {
	cs, err := byAnyID(s, a[0])
	if err != nil {
		return err
	}
	s.Revoke(cs[0].ID)
	return nil
}

func disableByID(s *State, a []string) error {
	cs, err := byAnyID(s, a[0])
	for _, c := range cs {
		c.Disabled = true
	}
	return err
}

func expireByID(s *State, a []string) error {
	cs, err := byAnyID(s, a[0])
	for _, c := range cs {
		now := s.Now()
		c.Expires = &now
	}
	return err
}

func breakContainer(s *State, a []string) error {
	c, ok := s.Container(a[0])
	if !ok {
		return fmt.Errorf("no container %q", a[0])
	}
	now := s.Now()
	c.Error, c.ErrorSince = a[1], &now
	return nil
}

func breakNext(s *State, a []string) error {
	c, ok := s.Container(a[0])
	if !ok {
		return fmt.Errorf("no container %q", a[0])
	}
	c.Breaks = a[1]
	return nil
}

func mendNext(s *State, a []string) error {
	c, ok := s.Container(a[0])
	if !ok {
		return fmt.Errorf("no container %q", a[0])
	}
	c.Mends = true
	return nil
}

func mendContainer(s *State, a []string) error {
	c, ok := s.Container(a[0])
	if !ok {
		return fmt.Errorf("no container %q", a[0])
	}
	c.Error, c.ErrorSince = "", nil
	return nil
}

func setContainerSecret(s *State, a []string) error {
	c, ok := s.Container(a[0])
	if !ok {
		return fmt.Errorf("no container %q", a[0])
	}
	hashes, err := HashSecrets(map[string]string{a[1]: a[2]})
	if err != nil {
		return err
	}
	c.Secrets[a[1]], c.Hashes[a[1]] = a[2], hashes[a[1]]
	s.RollOut(c)
	return nil
}
