// Package consumer is a service that can prove which keys it runs with.
package consumer

import (
	"net/http"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

// Routes mounts the attest handler beside the service's own. The names and the
// order of the values are the catalog's: secret "stripe" has the entries
// secret-key and webhook-secret, in that order. getenv is os.Getenv.
func Routes(service http.Handler, getenv func(string) string) http.Handler {
	credentials := map[string][]string{
		"stripe": {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"},
		"clerk":  {"CLERK_SECRET_KEY"},
	}
	lookup := func(name string) ([]secrets.Value, bool) {
		variables, ok := credentials[name]
		var values []secrets.Value
		for _, v := range variables {
			values = append(values, secrets.NewValue([]byte(getenv(v))))
		}
		return values, ok
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+attest.Path, attest.Handler(lookup, time.Now))
	mux.Handle("/", service)
	return mux
}
