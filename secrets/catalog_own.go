package secrets

import "slices"

// Use is what this program itself does with a credential, beside rotating it.
type Use string

// The uses.
const (
	// UseState opens the state backend, with the journal.
	UseState Use = "state"
	// UseCloudflare, UseScaleway and UseGitHub call the service's API.
	UseCloudflare Use = "cloudflare"
	UseScaleway   Use = "scaleway"
	UseGitHub     Use = "github"
	// UsePassphrase decrypts the config secrets of stacks.
	UsePassphrase Use = "passphrase"
)

// Uses are all uses that there are.
func Uses() []Use { return []Use{UseState, UseCloudflare, UseScaleway, UseGitHub, UsePassphrase} }

// OwnPath is a pass entry that this program itself reads to work.
type OwnPath struct {
	Path string
	Use  Use
}

// UsedByProgram are the pass paths of all credentials that this program itself
// uses. It is the one list of them: a credential on it is revoked only after the
// program has gone over to its successor, and last; drift renews it first.
func (c *Catalog) UsedByProgram() []OwnPath {
	at := c.Services
	all := []OwnPath{
		{c.State.AccessKey, UseState}, {c.State.SecretKey, UseState},
		{at.Cloudflare.Token, UseCloudflare},
		{at.Scaleway.AccessKey, UseScaleway}, {at.Scaleway.SecretKey, UseScaleway},
		{at.GitHub.Token, UseGitHub},
		{c.State.Passphrase, UsePassphrase},
	}
	for _, s := range c.Stacks {
		all = append(all, OwnPath{s.Passphrase, UsePassphrase})
	}
	return slices.DeleteFunc(all, func(p OwnPath) bool { return p.Path == "" })
}

// UsesOf are the uses that this program itself has for a secret; none for most.
func (c *Catalog) UsesOf(s Secret) []Use {
	var out []Use
	for _, p := range c.UsedByProgram() {
		if s.holds(p.Path) && !slices.Contains(out, p.Use) {
			out = append(out, p.Use)
		}
	}
	return out
}
