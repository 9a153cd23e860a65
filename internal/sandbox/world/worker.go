package world

import (
	"errors"
	"maps"
	"time"
)

// The refusals of a Worker; the emulator gives them Cloudflare's codes.
var (
	ErrNoWorker    = errors.New("no such Worker")
	ErrBusy        = errors.New("another write to the Worker is under way")
	ErrNotDeployed = errors.New("the newest version of the Worker is not deployed")
	ErrNameTaken   = errors.New("a plain variable has that name")
	ErrNoSecret    = errors.New("the Worker has no such secret")
	ErrNoVersion   = errors.New("the Worker has no such version")
	ErrOlder       = errors.New("secrets have changed since that version")
)

// Worker is a Cloudflare Worker script with everything it ever ran.
type Worker struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	// Versions and Deployments are in order of age, oldest first.
	Versions    []*Version    `json:"versions"`
	Deployments []*Deployment `json:"deployments"`
	// Writing is set while a write is under way, in whatever process. Until
	// bounds it for the case that this process dies.
	Writing string    `json:"writing,omitempty"`
	Until   time.Time `json:"writing_until,omitzero"`
}

// Version is one version of a Worker: what it would run with.
type Version struct {
	ID          string            `json:"id"`
	Number      int               `json:"number"`
	TriggeredBy string            `json:"triggered_by"`
	Message     string            `json:"message,omitempty"`
	Tag         string            `json:"tag,omitempty"`
	Source      string            `json:"source"`
	CreatedAt   time.Time         `json:"created_at"`
	Secrets     map[string]string `json:"secrets"`
	Vars        map[string]string `json:"vars"`
}

// Deployment says which versions serve from then on, with their share in
// percent.
type Deployment struct {
	ID          string    `json:"id"`
	CreatedAt   time.Time `json:"created_at"`
	TriggeredBy string    `json:"triggered_by"`
	Message     string    `json:"message,omitempty"`
	Source      string    `json:"source"`
	Shares      []Share   `json:"versions"`
}

// Share is a version's part of a deployment.
type Share struct {
	VersionID  string  `json:"version_id"`
	Percentage float64 `json:"percentage"`
}

// Edit is one change of a Worker's secrets: everything in it is in the one new
// version.
type Edit struct {
	Set    map[string]string
	Delete []string
	// Strict refuses to delete a name that is not there (ErrNoSecret).
	Strict bool
	// KeepBack makes the version without deploying it, and builds on the newest
	// version even where that is not deployed.
	KeepBack    bool
	TriggeredBy string
	Message     string
	Tag         string
	Source      string
}

// Version returns the version with that id.
func (w *Worker) Version(id string) (*Version, bool) {
	for _, v := range w.Versions {
		if v.ID == id {
			return v, true
		}
	}
	return nil, false
}

// Latest is the newest version, nil if there is none.
func (w *Worker) Latest() *Version {
	if len(w.Versions) == 0 {
		return nil
	}
	return w.Versions[len(w.Versions)-1]
}

// Deployed is the version with the largest share of the newest deployment, nil
// if nothing is deployed.
func (w *Worker) Deployed() *Version {
	if len(w.Deployments) == 0 {
		return nil
	}
	return w.largest(w.Deployments[len(w.Deployments)-1])
}

func (w *Worker) largest(d *Deployment) *Version {
	var best Share
	for _, s := range d.Shares {
		if s.Percentage > best.Percentage {
			best = s
		}
	}
	v, _ := w.Version(best.VersionID)
	return v
}

// LatestServes reports whether the newest version is deployed at 100 %.
func (w *Worker) LatestServes() bool {
	if len(w.Deployments) == 0 {
		return false
	}
	d := w.Deployments[len(w.Deployments)-1]
	return len(d.Shares) == 1 && d.Shares[0].Percentage == 100 &&
		w.Latest() != nil && d.Shares[0].VersionID == w.Latest().ID
}

// EditSecrets makes one new version out of the newest one and, unless kept
// back, deploys it. It refuses as Cloudflare does.
func (s *State) EditSecrets(worker string, e Edit) (*Version, error) {
	w, err := s.checkEdit(worker, e)
	if err != nil {
		return nil, err
	}
	v := s.nextVersion(w, e.TriggeredBy)
	v.Message, v.Tag = e.Message, e.Tag
	if e.Source != "" {
		v.Source = e.Source
	}
	maps.Copy(v.Secrets, e.Set)
	for _, name := range e.Delete {
		delete(v.Secrets, name)
	}
	w.Versions = append(w.Versions, v)
	if !e.KeepBack {
		s.deploy(w, e.TriggeredBy, e.Message, []Share{{VersionID: v.ID, Percentage: 100}})
	}
	return v, nil
}

func (s *State) checkEdit(worker string, e Edit) (*Worker, error) {
	w, ok := s.Workers[worker]
	if !ok {
		return nil, ErrNoWorker
	}
	if w.Latest() == nil {
		return nil, ErrNoVersion
	}
	if !e.KeepBack && !w.LatestServes() {
		return nil, ErrNotDeployed
	}
	for name := range e.Set {
		if _, taken := w.Latest().Vars[name]; taken {
			return nil, ErrNameTaken
		}
	}
	for _, name := range e.Delete {
		if _, has := w.Latest().Secrets[name]; !has && e.Strict {
			return nil, ErrNoSecret
		}
	}
	return w, nil
}

// BeginWrite marks the Worker as being written to, for at most limit. The
// ticket goes to EndWrite. A second writer gets ErrBusy.
func (s *State) BeginWrite(worker string, e Edit, limit time.Duration) (ticket string, err error) {
	w, err := s.checkEdit(worker, e)
	if err != nil {
		return "", err
	}
	now := s.Now()
	if w.Writing != "" && now.Before(w.Until) {
		return "", ErrBusy
	}
	w.Writing, w.Until = randomHex(16), now.Add(limit)
	return w.Writing, nil
}

// EndWrite takes the mark away; a writer whose mark has run out and was taken
// by another changes nothing.
func (s *State) EndWrite(worker, ticket string) {
	if w, ok := s.Workers[worker]; ok && w.Writing == ticket {
		w.Writing, w.Until = "", time.Time{}
	}
}

// Deploy serves the versions from now on. Without force it refuses (ErrOlder)
// to go back to a version with other secrets than the deployed one.
func (s *State) Deploy(worker, message string, shares []Share, force bool) (*Deployment, error) {
	w, ok := s.Workers[worker]
	if !ok {
		return nil, ErrNoWorker
	}
	now := w.Deployed()
	for _, share := range shares {
		v, ok := w.Version(share.VersionID)
		if !ok {
			return nil, ErrNoVersion
		}
		older := now != nil && v.Number < now.Number && !maps.Equal(v.Secrets, now.Secrets)
		if older && !force {
			return nil, ErrOlder
		}
	}
	return s.deploy(w, "deployment", message, shares), nil
}

func (s *State) deploy(w *Worker, by, message string, shares []Share) *Deployment {
	d := &Deployment{ID: NewUUID(), CreatedAt: s.Now(), TriggeredBy: by, Message: message,
		Source: "api", Shares: shares}
	w.Deployments = append(w.Deployments, d)
	return d
}

// nextVersion copies the newest version; the caller appends it.
func (s *State) nextVersion(w *Worker, by string) *Version {
	v := &Version{ID: NewUUID(), Number: 1, TriggeredBy: by, Source: "api", CreatedAt: s.Now(),
		Secrets: map[string]string{}, Vars: map[string]string{}}
	if last := w.Latest(); last != nil {
		v.Number = last.Number + 1
		maps.Copy(v.Secrets, last.Secrets)
		maps.Copy(v.Vars, last.Vars)
	}
	return v
}

// NewWorker adds a Worker with one version, deployed at 100 %.
func (s *State) NewWorker(name string, secrets, vars map[string]string) *Worker {
	w := &Worker{Name: name, CreatedAt: s.Now()}
	v := s.nextVersion(w, "upload")
	maps.Copy(v.Secrets, secrets)
	maps.Copy(v.Vars, vars)
	w.Versions = []*Version{v}
	s.deploy(w, "upload", "", []Share{{VersionID: v.ID, Percentage: 100}})
	s.Workers[name] = w
	return w
}

// WorkerRuns returns the secrets that the Worker runs with at that time: those
// of the newest deployment that is older than the propagation delay. It is nil
// if there is no such Worker and empty if nothing of it serves yet.
func (s *State) WorkerRuns(name string, now time.Time) map[string]string {
	w, ok := s.Workers[name]
	if !ok {
		return nil
	}
	for i := len(w.Deployments) - 1; i >= 0; i-- {
		d := w.Deployments[i]
		if now.Before(d.CreatedAt.Add(s.Settings.WorkerDelay.Duration())) {
			continue
		}
		if v := w.largest(d); v != nil {
			return maps.Clone(v.Secrets)
		}
	}
	return map[string]string{}
}

// WorkerRuns is State.WorkerRuns on the world as it is.
func (w *World) WorkerRuns(name string, now time.Time) (map[string]string, error) {
	var out map[string]string
	err := w.Read(func(s *State) { out = s.WorkerRuns(name, now) })
	return out, err
}
