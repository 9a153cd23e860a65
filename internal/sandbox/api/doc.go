// Package api serves the services' HTTP APIs over a sandbox world: Cloudflare,
// Scaleway with its registry, Stripe, Clerk, Sightengine and GitHub. A
// credential is really checked, an error has the service's own shape, and every
// request leaves one line in the world's request log, without any value.
package api
