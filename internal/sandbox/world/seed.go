package world

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/nacl/box"
)

// The names of the company's things.
const (
	WorkerName     = "verifieddit-badges"
	ContainerName  = "stripe-backend"
	NamespaceName  = "verifieddit"
	RepositoryName = "sanmarcsoft/verifieddit"
	// EnvironmentName is of that repository, OrganizationName its owner.
	EnvironmentName  = "production"
	OrganizationName = "sanmarcsoft"
	RegistryName     = "sanmarcsoft"
	ImageName        = "verifieddit-www"
)

// age is how old everything in a fresh world is: rolled out by hand long ago,
// so that no propagation delay is running, but within every maximum age.
const age = 30 * 24 * time.Hour

// ErrSeeded says that the world has its first content already.
var ErrSeeded = errors.New("the world is seeded already")

// Seed gives an empty world its first content, all of it rolled out, and
// returns what belongs into the pass store: path to value, for every path of
// the embedded catalog.
func (w *World) Seed() (map[string]string, error) {
	var pass map[string]string
	err := w.Update(func(s *State) error {
		if s.Seeded {
			return ErrSeeded
		}
		offset := s.Settings.ClockOffset
		s.Settings.ClockOffset -= Millis(age.Milliseconds())
		made, err := s.seed()
		s.Settings.ClockOffset = offset
		pass = made
		return err
	})
	if err != nil {
		return nil, err
	}
	return pass, nil
}

func (s *State) seed() (map[string]string, error) {
	s.Seeded, s.TokenKey = true, randomHex(64)
	if err := s.seedAccounts(); err != nil {
		return nil, err
	}
	pass := s.identifiers()
	if err := s.seedCredentials(pass); err != nil {
		return nil, err
	}
	s.NewWorker(WorkerName, map[string]string{
		"CLERK_SECRET_KEY":       pass["verifieddit/clerk/secret-key"],
		"SIGHTENGINE_API_USER":   pass["sightengine/api-user"],
		"SIGHTENGINE_API_SECRET": pass["sightengine/api-secret"],
	}, map[string]string{"ENVIRONMENT": "production"})
	s.seedRegistry()
	if err := s.seedRepository(); err != nil {
		return nil, err
	}
	return pass, s.seedContainer(map[string]string{
		"STRIPE_SECRET_KEY":     pass["verifieddit/stripe/secret-key"],
		"STRIPE_WEBHOOK_SECRET": pass["verifieddit/stripe/webhook-secret"],
		"CLERK_SECRET_KEY":      pass["verifieddit/clerk/secret-key"],
	})
}

func (s *State) seedAccounts() error {
	now := s.Now()
	s.Cloudflare = CloudflareAccount{ID: randomHex(32), Name: "SanMarcSoft", UserID: randomHex(32),
		Email: "ops@sanmarcsoft.com", CreatedAt: now}
	for _, name := range []string{"sanmarcsoft.com", "verifieddit.com", "matthewstevens.org"} {
		s.Cloudflare.Zones = append(s.Cloudflare.Zones, Zone{ID: randomHex(32), Name: name})
	}
	s.Scaleway = ScalewayOrganization{ID: NewUUID(), ProjectID: NewUUID(), ApplicationID: NewUUID(),
		Region: "fr-par", CreatedAt: now}
	s.Stripe = StripeAccount{ID: "acct_1" + randomFrom(alnum, 15), Name: "Verifieddit", CreatedAt: now}
	s.Sightengine = "account-" + randomHex(8)
	for _, i := range []struct{ mode, environment, host string }{
		{"live", "production", "clerk.verifieddit.com$"},
		{"test", "development", "calm-otter-17.clerk.accounts.dev$"},
	} {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return fmt.Errorf("making a Clerk instance: %w", err)
		}
		s.Clerk = append(s.Clerk, ClerkInstance{ID: "ins_" + randomFrom(alnum, 27), Mode: i.mode,
			Environment: i.environment, JWK: base64.RawURLEncoding.EncodeToString(public),
			PublishableKey: "pk_" + i.mode + "_" + base64.RawStdEncoding.EncodeToString([]byte(i.host))})
	}
	return nil
}

// identifiers are the entries of pass that are no secrets.
func (s *State) identifiers() map[string]string {
	aws := randomFrom(digits[1:], 1) + randomFrom(digits, 11)
	z := s.Cloudflare.Zones
	return map[string]string{
		"cloudflare/account-id":               s.Cloudflare.ID,
		"cloudflare/zones/sanmarcsoft-com":    z[0].ID,
		"cloudflare/zones/verifieddit-com":    z[1].ID,
		"cloudflare/zones/matthewstevens-org": z[2].ID,
		"verifieddit/clerk/publishable-key":   s.clerkInstance("live").PublishableKey,
		"aws/account-id":                      aws,
		"aws/phenom-drop/ecr-repo":            aws + ".dkr.ecr.eu-west-1.amazonaws.com/phenom-drop",
		"aws/phenom-drop/apprunner-arn": "arn:aws:apprunner:eu-west-1:" + aws + ":service/phenom-drop/" +
			randomHex(32),
	}
}

func (s *State) seedCredentials(pass map[string]string) error {
	orders := []struct {
		o     Order
		paths map[string]string
	}{
		{Order{Service: Cloudflare, Kind: KindUser, Description: "all zones and Workers",
			Permissions: []string{"Workers Scripts Write", "Account Settings Read", "Zone Read", "DNS Write",
				"User Details Read", "Memberships Read", "API Tokens Write"}},
			map[string]string{"api-token": "cloudflare/api-token"}},
		{Order{Service: Scaleway, Description: "infrastructure and registry",
			Permissions: []string{"ContainersFullAccess", "ContainerRegistryFullAccess",
				"ObjectStorageFullAccess", "IAMManager"}},
			map[string]string{"access-key": "sanmarcsoft/scaleway/access-key",
				"api-secret": "sanmarcsoft/scaleway/api-secret"}},
		{Order{Service: Stripe}, map[string]string{"secret-key": "verifieddit/stripe/secret-key",
			"webhook-secret": "verifieddit/stripe/webhook-secret"}},
		{Order{Service: Clerk, Entries: []string{"secret-key", "test-secret-key"}},
			map[string]string{"secret-key": "verifieddit/clerk/secret-key",
				"test-secret-key": "verifieddit/clerk/test-secret-key"}},
		{Order{Service: Sightengine}, map[string]string{"api-user": "sightengine/api-user",
			"api-secret": "sightengine/api-secret"}},
	}
	for _, x := range orders {
		made, err := s.Issue(x.o)
		if err != nil {
			return err
		}
		for _, c := range made {
			pass[x.paths[c.Entry]] = c.Value
		}
	}
	return nil
}

func (s *State) seedRegistry() {
	now := s.Now()
	ns := &RegistryNamespace{ID: NewUUID(), Name: RegistryName, Region: s.Scaleway.Region,
		CreatedAt: now, UpdatedAt: now}
	image := &Image{ID: NewUUID(), Name: ImageName, NamespaceID: ns.ID, Visibility: "private", CreatedAt: now}
	for _, tag := range []string{"latest", "v1.4.1", "v1.4.2"} {
		image.Tags = append(image.Tags, Tag{ID: NewUUID(), Name: tag, Digest: "sha256:" + randomHex(64), CreatedAt: now})
	}
	s.Registries, s.Images = append(s.Registries, ns), append(s.Images, image)
}

func (s *State) seedRepository() error {
	made := make([]*Repository, 3)
	for i := range made {
		public, private, err := box.GenerateKey(rand.Reader)
		if err != nil {
			return fmt.Errorf("making the repository's key: %w", err)
		}
		made[i] = &Repository{KeyID: "5680" + randomFrom(digits, 14),
			PublicKey:  base64.StdEncoding.EncodeToString(public[:]),
			PrivateKey: base64.StdEncoding.EncodeToString(private[:]), Secrets: map[string]RepositorySecret{}}
	}
	made[0].ID, made[0].Environments = 714203551, map[string]*Repository{EnvironmentName: made[1]}
	s.GitHub[RepositoryName] = made[0]
	s.Organizations = map[string]*Repository{OrganizationName: made[2]}
	return nil
}

func (s *State) seedContainer(secrets map[string]string) error {
	hashes, err := HashSecrets(secrets)
	if err != nil {
		return err
	}
	n := s.NewNamespace(NamespaceName, s.Scaleway.Region)
	c := s.NewContainer(n, ContainerName)
	c.Secrets, c.Hashes = secrets, hashes
	c.Environment = map[string]string{"ENVIRONMENT": "production"}
	c.Spec = map[string]any{"image": "rg.fr-par.scw.cloud/sanmarcsoft/stripe-backend:v1.4.2", "port": 8080}
	s.RollOut(c)
	return nil
}
