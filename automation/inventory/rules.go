package inventory

import (
	"path"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/clerk"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/sightengine"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/stripe"
)

// rule recognises one kind of entry.
type rule struct {
	service, title string
	// pattern is the form of the value; sure: no other service has it, so the
	// path may say anything.
	pattern, expect string
	sure            bool
	// words: one of them stands in the path, all of them the service's names.
	words []string
	// roles: one of them stands in the path too. They tell apart what has one
	// form, and are all there is where values are not read.
	roles []string
	// vague: the form and the service's name are not enough without a role.
	vague bool
	// public: it identifies and opens nothing.
	public bool
	// entry is the name that the service's client reads it by; empty: any.
	entry string
	// mode tells keys apart that do not belong together.
	mode string
	// noDoor: the service has no call that tries it.
	noDoor bool
}

const (
	uuid    = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
	hex32   = `[0-9a-f]{32}`
	cfToken = `cf(ut|at)_[A-Za-z0-9]{40}[0-9a-f]{8}`
)

// rules in the order in which they are tried: the special before the general.
func rules() []rule {
	cf, scw, st, cl, se := []string{"cloudflare", "cf"}, []string{"scaleway", "scw"}, []string{"stripe"}, []string{"clerk"}, []string{"sightengine"}
	return []rule{
		{service: cloudflare.Name, title: "Cloudflare API token", pattern: cfToken, expect: "a Cloudflare API token (cfut_… or cfat_…)", sure: true, words: cf, roles: []string{"token"}, entry: cloudflare.TokenEntry},
		{service: cloudflare.Name, title: "Cloudflare account id", pattern: hex32, words: cf, roles: []string{"account"}, public: true, vague: true, mode: "account"},
		{service: cloudflare.Name, title: "Cloudflare zone id", pattern: hex32, words: cf, roles: []string{"zone", "zones"}, public: true, vague: true, mode: "zone"},
		{service: cloudflare.Name, title: "Cloudflare API token", pattern: cfToken + `|[A-Za-z0-9_-]{40}`, expect: "a Cloudflare API token (cfut_… or cfat_…, or 40 characters)", words: cf, roles: []string{"token", "api", "key"}, vague: true, entry: cloudflare.TokenEntry},
		{service: scaleway.Name, title: "Scaleway project or organization id", pattern: uuid, words: scw, roles: []string{"project", "organization", "organisation", "org", "application"}, public: true, vague: true},
		{service: scaleway.Name, title: "Scaleway API key", pattern: `SCW[A-Z0-9]{17}`, expect: "a Scaleway access key (SCW and 17 characters)", sure: true, words: scw, roles: []string{"access"}, entry: scaleway.AccessEntry},
		{service: scaleway.Name, title: "Scaleway API key", pattern: uuid, expect: "a Scaleway secret key (a UUID)", words: scw, roles: []string{"secret", "api"}, entry: scaleway.SecretEntry},
		{service: clerk.Name, title: "Clerk publishable key", pattern: `pk_(live|test)_[A-Za-z0-9+/=]+`, words: cl, roles: []string{"publishable", "public", "pk"}, public: true, mode: "publishable"},
		{service: clerk.Name, title: "Clerk secret key (testing)", pattern: `sk_test_[A-Za-z0-9]{16,}`, expect: "a Clerk testing secret key (sk_test_…)", words: cl, roles: []string{"test", "dev", "development"}, entry: clerk.TestKeyEntry, mode: "test"},
		{service: clerk.Name, title: "Clerk secret key (production)", pattern: `sk_live_[A-Za-z0-9]{16,}`, expect: "a Clerk production secret key (sk_live_…)", words: cl, roles: []string{"secret", "key", "sk"}, entry: clerk.KeyEntry},
		{service: stripe.Name, title: "Stripe publishable key", pattern: `pk_(live|test)_[A-Za-z0-9]+`, words: st, roles: []string{"publishable", "public", "pk"}, public: true},
		{service: stripe.Name, title: "Stripe keys", pattern: `whsec_[A-Za-z0-9+/=]{16,}`, expect: "a Stripe webhook signing secret (whsec_…)", words: st, roles: []string{"webhook", "whsec", "signing"}, noDoor: true},
		{service: stripe.Name, title: "Stripe keys (test mode)", pattern: `(sk|rk)_test_[A-Za-z0-9]{16,}`, expect: "a Stripe test key (sk_test_… or rk_test_…)", words: st, roles: []string{"test"}, entry: stripe.KeyEntry, mode: "test"},
		{service: stripe.Name, title: "Stripe keys", pattern: `(sk|rk)_live_[A-Za-z0-9]{16,}`, expect: "a Stripe live key (sk_live_… or rk_live_…)", words: st, roles: []string{"secret", "key", "sk", "rk"}, entry: stripe.KeyEntry},
		{service: stripe.Name, title: "Stripe keys", pattern: `rk_live_[A-Za-z0-9]{16,}`, expect: "a Stripe live key (rk_live_…)", sure: true, entry: stripe.KeyEntry},
		{service: sightengine.Name, title: "Sightengine API keys", pattern: `[0-9]{6,12}`, expect: "a Sightengine API user (digits)", words: se, roles: []string{"user"}, entry: sightengine.UserEntry},
		{service: sightengine.Name, title: "Sightengine API keys", pattern: `[A-Za-z0-9]{16,64}`, expect: "a Sightengine API secret (letters and digits)", words: se, roles: []string{"secret", "key"}, entry: sightengine.SecretEntry},
		{title: "AWS account id", pattern: `[0-9]{12}`, words: []string{"aws"}, roles: []string{"account"}, public: true},
		{title: "AWS resource name", pattern: `arn:aws[a-z-]*:[!-~]+`, sure: true, words: []string{"aws"}, roles: []string{"arn"}, public: true},
		{title: "ECR repository", pattern: `[0-9]{12}\.dkr\.ecr\.[!-~]+`, sure: true, words: []string{"aws"}, roles: []string{"ecr"}, public: true},
		{title: "Address", pattern: `https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9./_-]*)?`, words: []string{"url", "endpoint", "address"}, public: true},
		{title: "Name of a host", pattern: `[a-z0-9-]+(\.[a-z0-9-]+)+`, words: []string{"host", "hostname", "domain"}, public: true},
		{title: "Mail address", pattern: `[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+`, words: []string{"email", "mail"}, public: true},
	}
}

// find is what an entry is by its value and path, or by its path alone where
// the value is not known.
func find(p string, v secrets.Value, byName bool) (rule, bool) {
	for _, r := range rules() {
		if byName {
			if len(r.roles) > 0 && hasWord(p, r.words) && hasRole(p, r) {
				return r, true
			}
			continue
		}
		if (secrets.Entry{Path: p, Pattern: r.pattern}).Check(v) != nil {
			continue
		}
		if r.sure || hasWord(p, r.words) && (!r.vague || hasRole(p, r)) {
			return r, true
		}
	}
	return rule{}, false
}

// why says in words what a guess rests on.
func (r rule) why(byName bool) string {
	switch {
	case byName:
		return "by its path alone"
	case r.sure:
		return "by the form of its value"
	}
	return "by the form of its value and its path"
}

// words are a path's, in small letters.
func words(p string) []string {
	return strings.FieldsFunc(strings.ToLower(p), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

func hasWord(p string, any []string) bool {
	return slices.ContainsFunc(words(p), func(w string) bool { return slices.Contains(any, w) })
}

// hasRole: the role stands behind the service's name, mostly in the last
// element. A folder named api makes no secret of what lies in it.
func hasRole(p string, r rule) bool {
	own := path.Base(p)
	if slices.Contains(r.roles, "zones") {
		own = p
	}
	return hasWord(own, r.roles)
}

// hint is what is worth saying of a value that no rule knows.
func hint(p string, v secrets.Value) string {
	for _, h := range []struct{ pattern, text string }{
		{`sk_(live|test)_[A-Za-z0-9]{16,}`, "it has the form of a Stripe or a Clerk secret key, and its path does not say which"},
		{`whsec_[A-Za-z0-9+/=]{16,}`, "it has the form of a webhook signing secret"},
		{`(AKIA|ASIA)[A-Z0-9]{16}`, "it has the form of an AWS access key, a service that no client here knows"},
		{`gh[a-z]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}`, "it has the form of a GitHub token; services.github takes it, where secrets of GitHub Actions are consumers"},
	} {
		if (secrets.Entry{Path: p, Pattern: h.pattern}).Check(v) == nil {
			return h.text
		}
	}
	return "no known service's credential has its form and path"
}
