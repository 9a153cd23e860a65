package cloudflare_test

import (
	"context"
	"testing"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

func TestCheckHostile(t *testing.T) {
	for _, token := range []string{userToken, accountToken} {
		t.Run(token[:4], func(t *testing.T) {
			cred := credential(token)
			servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
				return cloudflare.New(cloudflare.Config{BaseURL: base + prefix, Account: account, Limits: limits}).Check(ctx, cred)
			})
		})
	}
}

// Writing meets the same answers; what was written is then not known.
func TestBulkHostile(t *testing.T) {
	cred := credential(userToken)
	servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
		client := cloudflare.New(cloudflare.Config{BaseURL: base + prefix, Limits: limits})
		err := client.Bulk(ctx, cred["api-token"], account, "badges", secretSet("A"))
		return services.Report{State: services.Unknown}, err
	})
}
