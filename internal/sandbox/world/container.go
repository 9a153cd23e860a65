package world

import (
	"fmt"
	"maps"
	"time"

	"github.com/alexedwards/argon2id"
)

// Container is a Scaleway serverless container.
type Container struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	NamespaceID string `json:"namespace_id"`
	Region      string `json:"region"`
	// Spec is everything else that the API takes, in the names of its v1.
	Spec        map[string]any    `json:"spec"`
	Environment map[string]string `json:"environment"`
	Secrets     map[string]string `json:"secrets"`
	// Hashes of Secrets, argon2id, made once when a value is written.
	Hashes    map[string]string `json:"hashes"`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
	SettledAt time.Time         `json:"settled_at"`
	// Error is shown with status "error"; what was rolled out after ErrorSince
	// does not serve.
	Error      string     `json:"error,omitempty"`
	ErrorSince *time.Time `json:"error_since,omitempty"`
	// Breaks is the Error that the next revision will bring.
	Breaks string `json:"breaks,omitempty"`
	// Mends says that the next revision comes up whatever stood before.
	Mends bool `json:"mends,omitempty"`
	// Revisions are what was rolled out, oldest first.
	Revisions []Revision `json:"revisions"`
}

// Revision is what a container was given at one time, its namespace's secrets
// included.
type Revision struct {
	At      time.Time         `json:"at"`
	Secrets map[string]string `json:"secrets"`
}

// keptRevisions bounds the file; what runs is always among the last few.
const keptRevisions = 20

// ContainerNamespace groups containers and gives them its secrets too.
type ContainerNamespace struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Region      string            `json:"region"`
	Description string            `json:"description"`
	Tags        []string          `json:"tags"`
	Environment map[string]string `json:"environment"`
	Secrets     map[string]string `json:"secrets"`
	Hashes      map[string]string `json:"hashes"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	SettledAt   time.Time         `json:"settled_at"`
}

// HashSecrets returns the argon2id hash of every value. It takes some
// milliseconds each, so it is done outside of an Update.
//
// Scaleway's own hashes cost 64 MiB and three passes; the sandbox's are cheap,
// since they protect nothing, and say so in their own parameters.
func HashSecrets(values map[string]string) (map[string]string, error) {
	cheap := &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	out := make(map[string]string, len(values))
	for name, v := range values {
		h, err := argon2id.CreateHash(v, cheap)
		if err != nil {
			return nil, fmt.Errorf("hashing %s: %w", name, err)
		}
		out[name] = h
	}
	return out, nil
}

// Status is the container's status at that time, in the words of API v1.
func (c *Container) Status(now time.Time) string {
	switch {
	case now.Before(c.SettledAt) && len(c.Revisions) <= 1:
		return "creating"
	case now.Before(c.SettledAt):
		return "updating"
	case c.Error != "":
		return "error"
	default:
		return "ready"
	}
}

// Status is the namespace's status at that time, in the words of API v1.
func (n *ContainerNamespace) Status(now time.Time) string {
	if !now.Before(n.SettledAt) {
		return "ready"
	}
	if n.UpdatedAt.Equal(n.CreatedAt) {
		return "creating"
	}
	return "updating"
}

// Container returns the container with that id or name.
func (s *State) Container(idOrName string) (*Container, bool) {
	for _, c := range s.Containers {
		if c.ID == idOrName || c.Name == idOrName {
			return c, true
		}
	}
	return nil, false
}

// Namespace returns the container namespace with that id.
func (s *State) Namespace(id string) (*ContainerNamespace, bool) {
	for _, n := range s.Namespaces {
		if n.ID == id {
			return n, true
		}
	}
	return nil, false
}

// NewNamespace adds an empty container namespace.
func (s *State) NewNamespace(name, region string) *ContainerNamespace {
	now := s.Now()
	n := &ContainerNamespace{ID: NewUUID(), Name: name, Region: region, CreatedAt: now, UpdatedAt: now,
		Environment: map[string]string{}, Secrets: map[string]string{}, Hashes: map[string]string{},
		Tags: []string{}, SettledAt: now.Add(s.Settings.ContainerDelay.Duration())}
	s.Namespaces = append(s.Namespaces, n)
	return n
}

// NewContainer adds a container without rolling it out.
func (s *State) NewContainer(n *ContainerNamespace, name string) *Container {
	now := s.Now()
	c := &Container{ID: NewUUID(), Name: name, NamespaceID: n.ID, Region: n.Region, Spec: map[string]any{},
		Environment: map[string]string{}, Secrets: map[string]string{}, Hashes: map[string]string{},
		CreatedAt: now, UpdatedAt: now}
	s.Containers = append(s.Containers, c)
	return c
}

// RollOut lets the container run, after the delay, with what it has now.
func (s *State) RollOut(c *Container) {
	now := s.Now()
	merged := map[string]string{}
	if n, ok := s.Namespace(c.NamespaceID); ok {
		maps.Copy(merged, n.Secrets)
	}
	maps.Copy(merged, c.Secrets)
	c.UpdatedAt, c.SettledAt = now, now.Add(s.Settings.ContainerDelay.Duration())
	if c.Mends {
		c.Error, c.ErrorSince, c.Mends = "", nil, false
	}
	if c.Breaks != "" {
		since := now.Add(-time.Nanosecond)
		c.Error, c.ErrorSince, c.Breaks = c.Breaks, &since, ""
	}
	c.Revisions = append(c.Revisions, Revision{At: now, Secrets: merged})
	if extra := len(c.Revisions) - keptRevisions; extra > 0 {
		c.Revisions = c.Revisions[extra:]
	}
}

// RollOutNamespace rolls out every container of a namespace, as a change of the
// namespace's own environment does.
func (s *State) RollOutNamespace(n *ContainerNamespace) {
	n.UpdatedAt = s.Now()
	n.SettledAt = n.UpdatedAt.Add(s.Settings.ContainerDelay.Duration())
	for _, c := range s.Containers {
		if c.NamespaceID == n.ID && len(c.Revisions) > 0 {
			s.RollOut(c)
		}
	}
}

// RemoveContainer takes the container away.
func (s *State) RemoveContainer(id string) {
	for i, c := range s.Containers {
		if c.ID == id {
			s.Containers = append(s.Containers[:i], s.Containers[i+1:]...)
			return
		}
	}
}

// ContainerRuns returns the secrets that the container runs with at that time:
// those of the newest revision that is older than the delay and that came up.
// It is nil if there is no such container and empty if nothing serves yet.
func (s *State) ContainerRuns(name string, now time.Time) map[string]string {
	c, ok := s.Container(name)
	if !ok {
		return nil
	}
	if r, serves := s.serving(c, now); serves {
		return maps.Clone(r.Secrets)
	}
	return map[string]string{}
}

// ContainerServes reports whether there is such a container and a revision of it
// serves at that time.
func (s *State) ContainerServes(name string, now time.Time) bool {
	c, serves := s.Container(name)
	if serves {
		_, serves = s.serving(c, now)
	}
	return serves
}

func (s *State) serving(c *Container, now time.Time) (Revision, bool) {
	for i := len(c.Revisions) - 1; i >= 0; i-- {
		r := c.Revisions[i]
		failed := c.ErrorSince != nil && r.At.After(*c.ErrorSince)
		if !failed && !now.Before(r.At.Add(s.Settings.ContainerDelay.Duration())) {
			return r, true
		}
	}
	return Revision{}, false
}

// ContainerRuns is State.ContainerRuns on the world as it is.
func (w *World) ContainerRuns(name string, now time.Time) (map[string]string, error) {
	var out map[string]string
	err := w.Read(func(s *State) { out = s.ContainerRuns(name, now) })
	return out, err
}
