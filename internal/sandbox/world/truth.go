package world

import (
	"maps"
	"time"
)

// Truth is what `sandbox world` prints: what every issuer, Worker, container
// and consumer really holds, values included.
type Truth struct {
	Credentials []TrueCredential        `json:"credentials"`
	Workers     map[string]TrueWorker   `json:"workers"`
	Containers  map[string]TrueSecrets  `json:"containers"`
	Consumers   map[string]TrueConsumer `json:"consumers"`
	// Repositories are also environments (REPOSITORY:ENVIRONMENT) and
	// organizations (by their name): whatever holds Actions secrets.
	Repositories map[string]TrueSecrets `json:"repositories"`
}

// TrueCredential is one credential; Alive: its service takes it at this moment.
type TrueCredential struct {
	Service   string     `json:"service"`
	ID        string     `json:"id"`
	Entry     string     `json:"entry"`
	Value     string     `json:"value"`
	Alive     bool       `json:"alive"`
	IssuedAt  time.Time  `json:"issued_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// TrueWorker is a Worker; Deployed is a version's id, Versions oldest first.
type TrueWorker struct {
	Deployed string        `json:"deployed"`
	Versions []TrueVersion `json:"versions"`
}

// TrueVersion is one version of a Worker.
type TrueVersion struct {
	ID          string            `json:"id"`
	TriggeredBy string            `json:"triggered_by"`
	Secrets     map[string]string `json:"secrets"`
}

// TrueSecrets are the secrets that somebody was given.
type TrueSecrets struct {
	Secrets map[string]string `json:"secrets"`
}

// TrueConsumer is what a consumer runs with at this moment.
type TrueConsumer struct {
	RunsWith map[string]string `json:"runs_with"`
}

// Truth returns the world's truth as it is now.
func (w *World) Truth() (Truth, error) {
	s, err := w.Snapshot()
	if err != nil {
		return Truth{}, err
	}
	return s.Truth(s.Now()), nil
}

// Truth returns the truth at that time.
func (s *State) Truth(now time.Time) Truth {
	t := Truth{Credentials: []TrueCredential{}, Workers: map[string]TrueWorker{},
		Containers: map[string]TrueSecrets{}, Consumers: map[string]TrueConsumer{},
		Repositories: map[string]TrueSecrets{}}
	for _, c := range s.Credentials {
		t.Credentials = append(t.Credentials, TrueCredential{Service: c.Service, ID: c.ID, Entry: c.Entry,
			Value: c.Value, Alive: c.Standing(now) == Alive, IssuedAt: c.IssuedAt, RevokedAt: c.Revoked})
	}
	for name, w := range s.Workers {
		t.Workers[name] = trueWorker(w)
		t.Consumers[name] = TrueConsumer{RunsWith: s.WorkerRuns(name, now)}
	}
	for _, c := range s.Containers {
		t.Containers[c.Name] = TrueSecrets{Secrets: filled(c.Secrets)}
		t.Consumers[c.Name] = TrueConsumer{RunsWith: s.ContainerRuns(c.ID, now)}
	}
	for name, r := range s.GitHub {
		t.Repositories[name] = trueSecrets(r)
		for environment, e := range r.Environments {
			t.Repositories[name+":"+environment] = trueSecrets(e)
		}
	}
	for name, o := range s.Organizations {
		t.Repositories[name] = trueSecrets(o)
	}
	return t
}

func trueSecrets(r *Repository) TrueSecrets {
	out := TrueSecrets{Secrets: map[string]string{}}
	for name, s := range r.Secrets {
		out.Secrets[name] = s.Value
	}
	return out
}

func trueWorker(w *Worker) TrueWorker {
	out := TrueWorker{Versions: []TrueVersion{}}
	if d := w.Deployed(); d != nil {
		out.Deployed = d.ID
	}
	for _, v := range w.Versions {
		out.Versions = append(out.Versions, TrueVersion{ID: v.ID, TriggeredBy: v.TriggeredBy, Secrets: filled(v.Secrets)})
	}
	return out
}

func filled(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}
