package world

import "time"

// State is everything there is in a world.
type State struct {
	Seeded      bool                   `json:"seeded"`
	Settings    Settings               `json:"settings"`
	Ports       map[string]int         `json:"ports"`
	Cloudflare  CloudflareAccount      `json:"cloudflare"`
	Scaleway    ScalewayOrganization   `json:"scaleway"`
	Stripe      StripeAccount          `json:"stripe"`
	Clerk       []ClerkInstance        `json:"clerk"`
	Sightengine string                 `json:"sightengine_account"`
	Credentials []*Credential          `json:"credentials"`
	Workers     map[string]*Worker     `json:"workers"`
	Namespaces  []*ContainerNamespace  `json:"namespaces"`
	Containers  []*Container           `json:"containers"`
	Registries  []*RegistryNamespace   `json:"registries"`
	Images      []*Image               `json:"images"`
	Webhooks    []*WebhookEndpoint     `json:"webhooks"`
	GitHub      map[string]*Repository `json:"repositories"`
	// Organizations are GitHub's, by name; they hold secrets like a repository.
	Organizations map[string]*Repository `json:"organizations"`
	Faults        []Fault                `json:"faults"`
	// TokenKey signs the registry's bearer tokens (hex), so that a token made
	// by one process is known to the others.
	TokenKey string `json:"token_key"`
	// Backend is where the Pulumi state lies: "s3", or empty for a folder.
	Backend string `json:"backend,omitempty"`
}

// Millis is a span in milliseconds, written as a whole number.
type Millis int64

// Duration is the span as Go counts it.
func (m Millis) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

// Settings are the world's delays. All may be changed while it runs.
type Settings struct {
	// WorkerDelay is how long a running Worker keeps its old version after a
	// deployment; 150 ms at first.
	WorkerDelay Millis `json:"worker_delay_ms"`
	// ContainerDelay is the same for a container, and how long it says
	// "updating"; 200 ms at first.
	ContainerDelay Millis `json:"container_delay_ms"`
	// IssueDelay is how long a new credential is still refused; 0 at first.
	IssueDelay Millis `json:"issue_delay_ms"`
	// RevokeDelay is how long a revoked credential still works; 0 at first.
	RevokeDelay Millis `json:"revoke_delay_ms"`
	// WorkerWrite is how long a write to a Worker takes; a second one in that
	// time is answered 429; 10 ms at first.
	WorkerWrite Millis `json:"worker_write_ms"`
	// ClockOffset moves the world's clock against the computer's.
	ClockOffset Millis `json:"clock_offset_ms"`
}

// CloudflareAccount is the one Cloudflare account and its one user.
type CloudflareAccount struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	UserID    string    `json:"user_id"`
	Email     string    `json:"email"`
	CreatedAt time.Time `json:"created_at"`
	Zones     []Zone    `json:"zones"`
}

// Zone is a domain at Cloudflare.
type Zone struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ScalewayOrganization is the one organization, with one project and the one
// application that API keys belong to.
type ScalewayOrganization struct {
	ID            string    `json:"id"`
	ProjectID     string    `json:"project_id"`
	ApplicationID string    `json:"application_id"`
	Region        string    `json:"region"`
	CreatedAt     time.Time `json:"created_at"`
}

// StripeAccount is the one Stripe account.
type StripeAccount struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

// ClerkInstance is a Clerk instance; Mode is "live" or "test".
type ClerkInstance struct {
	ID             string `json:"id"`
	Mode           string `json:"mode"`
	Environment    string `json:"environment"`
	PublishableKey string `json:"publishable_key"`
	// JWK is the public part of the instance's Ed25519 key, base64url.
	JWK string `json:"jwk"`
}

// WebhookEndpoint is a Stripe webhook endpoint. Its signing secret is the
// credential whose ID is the endpoint's.
type WebhookEndpoint struct {
	ID          string            `json:"id"`
	URL         string            `json:"url"`
	Events      []string          `json:"events"`
	Description string            `json:"description"`
	Metadata    map[string]string `json:"metadata"`
	Live        bool              `json:"live"`
	Disabled    bool              `json:"disabled"`
	CreatedAt   time.Time         `json:"created_at"`
}

// Repository is a GitHub repository, named OWNER/NAME, with its Actions
// secrets in the clear: the sandbox can open the sealed boxes.
type Repository struct {
	ID         int64                       `json:"id"`
	KeyID      string                      `json:"key_id"`
	PublicKey  string                      `json:"public_key"`
	PrivateKey string                      `json:"private_key"`
	Secrets    map[string]RepositorySecret `json:"secrets"`
	// Environments of a repository, by name; they hold secrets like it.
	Environments map[string]*Repository `json:"environments,omitempty"`
}

// RepositorySecret is one Actions secret. Visibility and Selected (ids of
// repositories) are those of an organization's.
type RepositorySecret struct {
	Value      string    `json:"value"`
	Visibility string    `json:"visibility,omitempty"`
	Selected   []int64   `json:"selected,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// RegistryNamespace is a namespace of the container registry.
type RegistryNamespace struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Region      string    `json:"region"`
	Public      bool      `json:"public"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// Image is a repository of a registry namespace.
type Image struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	NamespaceID string    `json:"namespace_id"`
	Visibility  string    `json:"visibility"`
	CreatedAt   time.Time `json:"created_at"`
	Tags        []Tag     `json:"tags"`
}

// Tag is a tag of an image.
type Tag struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Digest    string    `json:"digest"`
	CreatedAt time.Time `json:"created_at"`
}

func newState() *State {
	return &State{
		Settings: Settings{WorkerDelay: 150, ContainerDelay: 200, WorkerWrite: 10},
		Ports:    map[string]int{},
		Workers:  map[string]*Worker{},
		GitHub:   map[string]*Repository{},

		Organizations: map[string]*Repository{},
	}
}
