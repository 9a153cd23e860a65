package secrets

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
)

// checker holds what the rules of a catalog need to know about all of it.
type checker struct {
	*decoder
	cat *Catalog
	// paths are the pass entries that the catalog knows.
	paths map[string]bool
	// taken says who uses a name that only one may use.
	taken map[string]string
}

func newChecker(d *decoder, cat *Catalog) *checker {
	c := &checker{decoder: d, cat: cat, paths: map[string]bool{}, taken: map[string]string{}}
	for _, id := range cat.Identifiers {
		c.paths[id.Path] = true
	}
	for _, s := range cat.Secrets {
		for _, e := range s.Entries {
			c.paths[e.Path] = true
		}
	}
	return c
}

func (c *checker) catalog() {
	root := place{}
	c.want(c.cat.Version == 1, root.key("version"), numberOrNothing(c.cat.Version), "1, the version of this form")
	c.store(root.key("store"))
	c.identifiers(root.key("identifiers"))
	c.secrets(root.key("secrets"))
	c.stacks(root.key("stacks"))
	c.state(root.key("state"))
	c.services(root.key("services"))
	c.environments(root.key("environments"))
	c.insecure(root.key("insecure"))
}

// want reports unless ok; nothing is said about a value whose type was wrong.
func (c *checker) want(ok bool, at place, found, expected string) bool {
	if !ok && !c.isBroken(at.path) {
		c.report(at, found, expected)
	}
	return ok
}

// text is want for a text that may be missing.
func (c *checker) text(ok bool, at place, text, expected string) bool {
	return c.want(ok, at, textOrNothing(text), expected)
}

// wantKey is want for the key of a mapping.
func (c *checker) wantKey(ok bool, at place, found, expected string) bool {
	if !ok {
		c.reportKey(at, found, expected)
	}
	return ok
}

// claim takes a name that only one place may use; if another has it, first is
// that place.
func (c *checker) claim(at place, kind, name string) (first string, free bool) {
	slot := kind + "\x00" + name
	first, taken := c.taken[slot]
	if !taken {
		c.taken[slot] = at.label
	}
	return first, !taken
}

// unique reports a name of the kind that is used a second time.
func (c *checker) unique(at place, kind, name string) {
	first, free := c.claim(at, kind, name)
	c.want(free, at, fmt.Sprintf("%s again (first at %s)", quote(name), first), "each "+kind+" once")
}

func (c *checker) store(at place) {
	c.want(len(c.cat.Store.Covers) > 0, at.key("covers"), "no folder", "at least one folder of the pass store")
	for i, folder := range c.cat.Store.Covers {
		own := at.key("covers").item(i, "")
		c.text(isPassPath(folder), own, folder, passPathForm)
		c.unique(own, "folder", folder)
	}
	for i, glob := range c.cat.Store.Ignore {
		_, err := path.Match(glob, "")
		c.text(err == nil && glob != "", at.key("ignore").item(i, ""), glob, "a glob such as team/*")
	}
	for i, id := range c.cat.Store.Recipients {
		own := at.key("recipients").item(i, "")
		c.text(IsKeyID(id), own, id, "a key's full fingerprint, its long id (16 hex digits) or a user id with an address")
		c.unique(own, "key", id)
	}
}

func (c *checker) identifiers(at place) {
	for i, id := range c.cat.Identifiers {
		own := at.item(i, id.Path)
		c.ownPath(own.key("path"), id.Path)
		c.pattern(own.key("pattern"), id.Pattern)
	}
}

// ownPath checks the path of an entry that the catalog answers for.
func (c *checker) ownPath(at place, p string) {
	if !c.text(isPassPath(p), at, p, passPathForm) {
		return
	}
	c.unique(at, "path", p)
	c.text(!inFolder(p, "rotation"), at, p, "a path outside rotation/, which this program keeps for itself")
	covers := c.cat.Store.Covers
	// An entry in no folder has none that could be covered.
	c.text(len(covers) == 0 || !strings.Contains(p, "/") || slices.ContainsFunc(covers, func(folder string) bool { return inFolder(p, folder) }),
		at, p, "a path inside store.covers ("+strings.Join(covers, ", ")+")")
}

// reference checks a path that must be an entry of this catalog.
func (c *checker) reference(at place, p string) {
	c.text(c.paths[p], at, p, "the path of an entry or identifier of this catalog")
}

func (c *checker) pattern(at place, expression string) {
	_, err := wholePattern(expression)
	c.want(err == nil, at, quote(expression), "a regular expression (RE2)")
}

func (c *checker) address(at place, address string) {
	found, ok := textOrNothing(address), false
	if u, err := url.Parse(address); err == nil {
		ok = (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
		if u.User != nil {
			found = "an address with a user or password in it"
		}
	}
	c.want(ok, at, found, "an http or https address")
}

// sealedAddress is address for one to which credentials or proofs are sent.
func (c *checker) sealedAddress(at place, address string) {
	c.address(at, address)
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil {
		return
	}
	open := isLoopback(u.Hostname()) || slices.Contains(c.cat.Insecure, u.Host) || slices.Contains(c.cat.Insecure, u.Hostname())
	c.want(open, at, quote(address)+", where everybody on the way reads along",
		"https (http only on loopback, or with the host in the catalog's list: insecure: ["+u.Host+"])")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

func (c *checker) insecure(at place) {
	for i, host := range c.cat.Insecure {
		u, err := url.Parse("http://" + host)
		c.text(err == nil && host != "" && u.Host == host && u.Hostname() != "", at.item(i, ""), host, "HOST or HOST:PORT")
	}
}

func numberOrNothing(n int) string {
	if n == 0 {
		return "nothing"
	}
	return fmt.Sprintf("the number %d", n)
}

func textOrNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return quote(text)
}

const (
	passPathForm = "a pass path: letters, digits, blanks inside and . _ - @ + = with / between, no part beginning with . or -, no .gpg at the end"
	nameForm     = "a name of lower-case letters, digits and -"
	variableForm = "a name of letters, digits and _ that begins with no digit"
)

// IsPassPath reports whether a catalog takes p as the path of an entry.
func IsPassPath(p string) bool { return isPassPath(p) }

func isPassPath(p string) bool {
	if strings.HasSuffix(p, ".gpg") {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		// pass keeps .git and .gpg-id itself; a leading - would read as an option.
		if part == "" || part[0] == '.' || part[0] == '-' || strings.TrimSpace(part) != part || !madeOf(part, letters+digits+"._-@+= ") {
			return false
		}
	}
	return true
}

func isName(name string) bool {
	return name != "" && name[0] != '-' && madeOf(name, lower+digits+"-")
}

func isVariable(name string) bool {
	return name != "" && !strings.ContainsRune(digits, rune(name[0])) && madeOf(name, letters+digits+"_")
}

// isConfigKey accepts Pulumi's own form, with or without a namespace.
func isConfigKey(key string) bool {
	namespace, name, namespaced := strings.Cut(key, ":")
	if !namespaced {
		namespace, name = "own", key
	}
	return namespace != "" && name != "" && madeOf(namespace+name, letters+digits+"._-")
}

const (
	lower   = "abcdefghijklmnopqrstuvwxyz"
	letters = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

func madeOf(text, characters string) bool {
	return strings.Trim(text, characters) == "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune(characters, r)
	})
}

func inFolder(p, folder string) bool { return strings.HasPrefix(p, folder+"/") }
