// Package dial makes the clients of all services that a catalog names. It is
// apart from package services because the clients import that.
package dial

import (
	"net/http"
	"path"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/clerk"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/github"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/sightengine"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/stripe"
)

// Services are the clients of one catalog's services.
type Services struct {
	Cloudflare *cloudflare.Client
	Scaleway   *scaleway.Client
	GitHub     *github.Client
	Stripe     *stripe.Client
	checkers   map[string]services.Checker
	issuers    map[string]services.Issuer
}

// Dial makes the clients; no request is sent. client's transport is used for
// all of them (nil: the default). ids holds the values of the catalog's
// identifiers by their pass path (account, zones, publishable key); what is
// missing there is not checked.
func Dial(cat *secrets.Catalog, client *http.Client, ids map[string]string) *Services {
	return DialWithin(cat, client, ids, services.Limits{})
}

// DialWithin is Dial with other limits.
func DialWithin(cat *secrets.Catalog, client *http.Client, ids map[string]string, limits services.Limits) *Services {
	at := cat.Services
	s := &Services{
		Cloudflare: cloudflare.New(cloudflare.Config{
			BaseURL: at.Cloudflare.API, HTTP: client, Limits: limits,
			Account: ids[at.Cloudflare.Account], Zones: zones(at.Cloudflare.Zones, ids),
		}),
		Scaleway: scaleway.New(scaleway.Config{
			BaseURL: at.Scaleway.API, HTTP: client, Limits: limits, Region: at.Scaleway.Region,
			Registry: at.Scaleway.Registry, Image: at.Scaleway.Image,
		}),
		GitHub: github.New(github.Config{BaseURL: at.GitHub.API, HTTP: client, Limits: limits}),
		Stripe: stripe.New(stripe.Config{BaseURL: at.Stripe.API, HTTP: client, Limits: limits}),
	}
	s.checkers = map[string]services.Checker{
		cloudflare.Name:  s.Cloudflare,
		scaleway.Name:    s.Scaleway,
		stripe.Name:      s.Stripe,
		sightengine.Name: sightengine.New(sightengine.Config{BaseURL: at.Sightengine.API, HTTP: client, Limits: limits}),
		clerk.Name: clerk.New(clerk.Config{
			BaseURL: at.Clerk.API, HTTP: client, Limits: limits, PublishableKey: ids[at.Clerk.PublishableKey],
		}),
	}
	s.issuers = map[string]services.Issuer{cloudflare.Name: s.Cloudflare, scaleway.Name: s.Scaleway}
	return s
}

func zones(paths []string, ids map[string]string) []cloudflare.Zone {
	var out []cloudflare.Zone
	for _, p := range paths {
		if id := ids[p]; id != "" {
			out = append(out, cloudflare.Zone{Name: path.Base(p), ID: id})
		}
	}
	return out
}

// Checker returns the client that checks credentials of the named service.
func (s *Services) Checker(service string) (services.Checker, bool) {
	c, ok := s.checkers[service]
	return c, ok
}

// Issuer returns the client that makes and deletes credentials of the named
// service. Those of the other services are made by a person: Stripe's API has
// no such call but for its apps, Clerk's Platform API needs an access of its
// own, Sightengine has none.
func (s *Services) Issuer(service string) (services.Issuer, bool) {
	i, ok := s.issuers[service]
	return i, ok
}
