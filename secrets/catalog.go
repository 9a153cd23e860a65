package secrets

import "path"

// Catalog is the inventory: every secret, where its copies are and how each
// copy proves which value it runs with. The embedded one is catalog.yaml.
type Catalog struct {
	Version      int           `yaml:"version"`
	Store        Coverage      `yaml:"store"`
	State        State         `yaml:"state"`
	Services     Services      `yaml:"services"`
	Identifiers  []Identifier  `yaml:"identifiers"`
	Secrets      []Secret      `yaml:"secrets"`
	Stacks       []Stack       `yaml:"stacks"`
	Environments []Environment `yaml:"environments"`
	// Insecure lists hosts (HOST or HOST:PORT) that may be reached over http,
	// where everybody on the way reads along. Loopback needs no mention.
	Insecure []string `yaml:"insecure"`

	notices []Notice
}

// Coverage names the part of the pass store that the catalog answers for.
type Coverage struct {
	// Covers lists folders of the store; an entry below one of them that the
	// catalog does not know is a finding.
	Covers []string `yaml:"covers"`
	// Ignore lists globs (path.Match) of entries that are not findings.
	Ignore []string `yaml:"ignore"`
	// Recipients lists the keys that entries may be encrypted to: fingerprints, long
	// key ids or user ids with an address. A .gpg-id that names another stops every
	// write. Empty: the keys that a secret was last encrypted to, by its journal.
	Recipients []string `yaml:"recipients"`
}

// Placeholder stands in a proposed catalog for what nobody but its author knows. A
// catalog that still has one is refused.
const Placeholder = "REPLACE-ME"

// State is the Pulumi state backend, which also holds the journal.
type State struct {
	// URL as the Pulumi CLI takes it: s3://BUCKET?… or file://DIR.
	URL string `yaml:"url"`
	// AccessKey and SecretKey are pass paths of the backend's credentials;
	// empty for file://.
	AccessKey string `yaml:"accessKey"`
	SecretKey string `yaml:"secretKey"`
	// Passphrase is the pass path of the passphrase that encrypts the stacks'
	// secrets. Empty: the file named by PULUMI_CONFIG_PASSPHRASE_FILE.
	Passphrase string `yaml:"passphrase"`
}

// Services says where each service's API is and what else its client needs.
type Services struct {
	Cloudflare  CloudflareService  `yaml:"cloudflare"`
	Scaleway    ScalewayService    `yaml:"scaleway"`
	Stripe      StripeService      `yaml:"stripe"`
	Clerk       ClerkService       `yaml:"clerk"`
	Sightengine SightengineService `yaml:"sightengine"`
	GitHub      GitHubService      `yaml:"github"`
}

// CloudflareService: Token, Account and Zones are pass paths.
type CloudflareService struct {
	API     string   `yaml:"api"`
	Token   string   `yaml:"token"`
	Account string   `yaml:"account"`
	Zones   []string `yaml:"zones"`
}

// ScalewayService: AccessKey and SecretKey are pass paths; Image is a private
// repository NAMESPACE/IMAGE on Registry, used to try a key.
type ScalewayService struct {
	API       string `yaml:"api"`
	Region    string `yaml:"region"`
	Registry  string `yaml:"registry"`
	Image     string `yaml:"image"`
	AccessKey string `yaml:"accessKey"`
	SecretKey string `yaml:"secretKey"`
}

// StripeService is where Stripe's API is, without /v1.
type StripeService struct {
	API string `yaml:"api"`
}

// ClerkService: PublishableKey is the pass path of the key that a secret key
// must share its environment with.
type ClerkService struct {
	API            string `yaml:"api"`
	PublishableKey string `yaml:"publishableKey"`
}

// SightengineService is where Sightengine's API is, without /1.0.
type SightengineService struct {
	API string `yaml:"api"`
}

// GitHubService: Token is the pass path of the token that sets Actions secrets.
type GitHubService struct {
	API   string `yaml:"api"`
	Token string `yaml:"token"`
}

// Identifier is an entry that is not secret and is not rotated.
type Identifier struct {
	Path    string `yaml:"path"`
	Title   string `yaml:"title"`
	Pattern string `yaml:"pattern"`
}

// Secret is one credential: the entries that change together and everything
// that holds a copy.
type Secret struct {
	Name    string `yaml:"name"`
	Title   string `yaml:"title"`
	Service string `yaml:"service"`
	// Issuer says who makes a new value; empty means IssuerPerson.
	Issuer  IssuerKind `yaml:"issuer"`
	Entries []Entry    `yaml:"entries"`
	// Pair: the entries are one credential and change together.
	Pair      bool       `yaml:"pair"`
	MaxAge    Duration   `yaml:"maxAge"`
	Grace     Duration   `yaml:"grace"`
	Dashboard Dashboard  `yaml:"dashboard"`
	Consumers []Consumer `yaml:"consumers"`
}

// IssuerKind says who makes a new value and retires the old one.
type IssuerKind string

// The kinds of issuer.
const (
	// IssuerAPI is the service's API, called with the present credential. Where
	// that may not issue, a person does it.
	IssuerAPI IssuerKind = "api"
	// IssuerPerson is somebody at the service's dashboard.
	IssuerPerson IssuerKind = "person"
)

// Entry is one pass entry of a secret.
type Entry struct {
	Path  string `yaml:"path"`
	Title string `yaml:"title"`
	// Read says where in the entry the secret stands; empty means line.
	Read Format `yaml:"read"`
	// Pattern is an RE2 expression that the whole value must match.
	Pattern string `yaml:"pattern"`
	// Expect says in words what Pattern wants; it goes into the error.
	Expect string `yaml:"expect"`
	// NoDoor: the service has no call that tries this value. Its format is its
	// whole pretest, and its death is somebody's word.
	NoDoor bool `yaml:"noDoor"`
}

// Name is the last element of the entry's path.
func (e Entry) Name() string { return path.Base(e.Path) }

// Format says where in a pass entry the secret stands: "line" (the first
// line), "raw" (every byte) or "field:NAME" (the rest of the line "NAME: …").
type Format string

// The formats without an argument.
const (
	FormatLine Format = "line"
	FormatRaw  Format = "raw"
)

// Dashboard is where a person issues and retires the credential.
type Dashboard struct {
	URL string `yaml:"url"`
	// Issue and Retire are the steps, one sentence each.
	Issue  []string `yaml:"issue"`
	Retire []string `yaml:"retire"`
	// KillsOld: issuing a new value kills the old one at once.
	KillsOld bool `yaml:"killsOld"`
}

// ConsumerKind says what a consumer is.
type ConsumerKind string

// The kinds of consumer.
const (
	// KindConfig is a Pulumi stack whose config secrets hold the value, with
	// what the stack deploys.
	KindConfig ConsumerKind = "config"
	// KindWorker is a Cloudflare Worker whose secrets a declared stack sets.
	KindWorker ConsumerKind = "worker"
	// KindContainer is a Scaleway serverless container, and KindNamespace a
	// namespace of them, whose secret variables a declared stack sets.
	KindContainer ConsumerKind = "container"
	KindNamespace ConsumerKind = "namespace"
	// KindActions is a repository, an environment of it or an organization at
	// GitHub, whose Actions secrets a declared stack sets.
	KindActions ConsumerKind = "actions"
	// KindPass reads pass by itself and needs no roll-out: it has a new value from
	// the promotion on.
	KindPass ConsumerKind = "pass"
	// KindBackend is the state backend.
	KindBackend ConsumerKind = "backend"
	// KindRegistry is the container registry.
	KindRegistry ConsumerKind = "registry"
	// KindManual is a place without an API: a person does the steps.
	KindManual ConsumerKind = "manual"
)

// Consumer holds copies of a secret's entries.
type Consumer struct {
	Name  string       `yaml:"name"`
	Kind  ConsumerKind `yaml:"kind"`
	Stack string       `yaml:"stack"`
	// Worker is the script's name (kind worker).
	Worker string `yaml:"worker"`
	// Container is the container's name (kind container). Namespace is the name
	// or id of its namespace, or of the one meant (kind namespace). Region is
	// only needed where services.scaleway.region is another.
	Container string `yaml:"container"`
	Namespace string `yaml:"namespace"`
	Region    string `yaml:"region"`
	// Repository is OWNER/NAME, and Environment one of it; Organization stands in
	// their place (kind actions).
	Repository   string `yaml:"repository"`
	Environment  string `yaml:"environment"`
	Organization string `yaml:"organization"`
	// Values maps the name at the consumer (config key, Worker secret, variable)
	// to the name of one of the secret's entries.
	Values map[string]string `yaml:"values"`
	// Optional lists names of Values that are only set where the stack's
	// config already has them.
	Optional []string `yaml:"optional"`
	// Reads says when the consumer takes the value that it uses; empty where that
	// is not declared.
	Reads Reads `yaml:"reads"`
	Probe Probe `yaml:"probe"`
	// Steps are for a person (kind manual).
	Steps []string `yaml:"steps"`
}

// Probe says how a consumer is asked which value it runs with.
type Probe struct {
	Kind ProofKind `yaml:"kind"`
	// By is the way: attest (URL answers the attest protocol), config (decrypt
	// the stack's config; configured), hash (Scaleway's hashes of Container's variables),
	// environ (the environment of the process in PidFile), pass (read the
	// entry; configured), http (URL uses the credential; BadURL must fail), login (log in
	// with the value), names (the consumer's list of names), updated (GitHub's date
	// of the secret's last change), person (somebody
	// tests it and types its name).
	By  string `yaml:"by"`
	URL string `yaml:"url"`
	// BadURL is the negative control of by: http.
	BadURL string `yaml:"badUrl"`
	// Container is the name of a Scaleway container (by: hash). Region and
	// Namespace (a name or id) are only needed where services.scaleway.region is
	// another or two containers share the name. A consumer of kind container or
	// namespace fills these and Variables in itself.
	Container string `yaml:"container"`
	Region    string `yaml:"region"`
	Namespace string `yaml:"namespace"`
	// Instances is how many instances answer at URL (by: attest, http): the row of
	// answers is made so long that one stale instance is missed at most once in a
	// thousand rows. 0: not stated.
	Instances int `yaml:"instances"`
	// PidFile is an absolute path; the file holds a process id (by: environ).
	PidFile string `yaml:"pidFile"`
	// Variables maps the container's or process's variables to names of the
	// secret's entries (by: hash, environ).
	Variables map[string]string `yaml:"variables"`
}

// Stack is a Pulumi stack that the catalog gives secrets to.
type Stack struct {
	Name string `yaml:"name"`
	// Declared: the program is built from this catalog. Otherwise Dir names an
	// existing Pulumi project.
	Declared bool `yaml:"declared"`
	// Providers of a declared stack; empty means ProvidersHosted.
	Providers string `yaml:"providers"`
	// Dir is relative to --root.
	Dir string `yaml:"dir"`
	// Stack is Pulumi's name; empty: the project's only one; "*": all.
	Stack string `yaml:"stack"`
	// Backend overrides State.URL.
	Backend string `yaml:"backend"`
	// Passphrase overrides State.Passphrase (a pass path).
	Passphrase string `yaml:"passphrase"`
	// Env names variables of the caller that the project's program may see.
	Env []string `yaml:"env"`
}

// The modes of a declared stack's providers.
const (
	// ProvidersHosted: this process serves them.
	ProvidersHosted = "hosted"
	// ProvidersOfficial: the registry's Cloudflare plugin changes the secrets of
	// Workers, one after the other; what it would destroy stays with this process.
	ProvidersOfficial = "official"
)

// Environment is what a local process gets.
type Environment struct {
	Name string `yaml:"name"`
	// Variables maps names to pass paths.
	Variables map[string]string `yaml:"variables"`
	// Text maps names to fixed text that is no secret; the text "state.url"
	// stands for the address of the state. Catalog.Text has it resolved.
	Text map[string]string `yaml:"text"`
}

// Secret returns the secret of that name.
func (c *Catalog) Secret(name string) (Secret, bool) {
	for _, s := range c.Secrets {
		if s.Name == name {
			return s, true
		}
	}
	return Secret{}, false
}

// Stack returns the stack of that name.
func (c *Catalog) Stack(name string) (Stack, bool) {
	for _, s := range c.Stacks {
		if s.Name == name {
			return s, true
		}
	}
	return Stack{}, false
}

// Environment returns the environment of that name.
func (c *Catalog) Environment(name string) (Environment, bool) {
	for _, e := range c.Environments {
		if e.Name == name {
			return e, true
		}
	}
	return Environment{}, false
}

// textStateURL stands for the state's address in Environment.Text.
const textStateURL = "state.url"

// Text returns the environment's fixed texts with state.url resolved.
func (c *Catalog) Text(e Environment) map[string]string {
	out := make(map[string]string, len(e.Text))
	for name, text := range e.Text {
		if text == textStateURL {
			text = c.State.URL
		}
		out[name] = text
	}
	return out
}

// Entry returns the secret's entry of that name (the last element of its path).
func (s Secret) Entry(name string) (Entry, bool) {
	for _, e := range s.Entries {
		if e.Name() == name {
			return e, true
		}
	}
	return Entry{}, false
}
