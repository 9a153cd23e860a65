package hosted

import (
	"slices"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Package is a Pulumi package that this process can serve.
type Package string

// The packages.
const (
	Cloudflare Package = "cloudflare"
	Scaleway   Package = "scaleway"
	GitHub     Package = "github"
)

// Packages are all that a declared stack may need, in a fixed order.
func Packages() []Package { return []Package{Cloudflare, Scaleway, GitHub} }

// Package that serves holders of this kind.
func (k Kind) Package() Package {
	for _, d := range dialects() {
		if d.resource(func(r resourceKind) bool { return r.holds == k }) != nil {
			return d.name
		}
	}
	return ""
}

// dialect is what differs between the packages; everything that keeps a secret
// safe is the same for all of them.
type dialect struct {
	name Package
	// version is the official plugin's that this stands in for; the SDK asks
	// for it.
	version string
	schema  string
	// credentials of the official provider: as inputs they would stay in the
	// state, where a refresh uses them after they have been rotated.
	credentials []string
	// instead says where the credential comes from.
	instead   string
	resources []resourceKind
}

// resourceKind is one type of resource: a secret at a holder, or all that the
// catalog knows of a holder's.
type resourceKind struct {
	token string
	holds Kind
	// identity are the official properties, sorted, that say where it is: with
	// another one it is another resource.
	identity []string
	// text is the property with the value; if all is set, with a map of values
	// by name, the only place where the names stand.
	text string
	all  bool
	// where is the holder of a resource with this identity, and the secret's
	// name unless all is set.
	where func(id map[string]string) (Holder, string)
	// id is the resource's id.
	id func(id map[string]string) string
	// most is how many secrets one write takes; 0 means any number.
	most int
	// refuses says why the service would refuse the value; empty if it takes it.
	refuses func(name string, v secrets.Value) string
}

func dialects() []dialect { return []dialect{cloudflareDialect(), scalewayDialect(), githubDialect()} }

func dialectOf(p Package) (dialect, bool) {
	if p == "" {
		p = Cloudflare
	}
	all := dialects()
	i := slices.IndexFunc(all, func(d dialect) bool { return d.name == p })
	if i < 0 {
		return dialect{}, false
	}
	return all[i], true
}

func (d dialect) resource(fits func(resourceKind) bool) *resourceKind {
	i := slices.IndexFunc(d.resources, fits)
	if i < 0 {
		return nil
	}
	return &d.resources[i]
}

// Types are the type tokens of all resources that this process serves.
func Types() []string {
	var out []string
	for _, d := range dialects() {
		for _, r := range d.resources {
			out = append(out, r.token)
		}
	}
	return out
}
