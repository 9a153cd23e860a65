package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/clerk"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/sightengine"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/stripe"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// expirySoon is how long before its end a key of the nightly host is told.
const expirySoon = 30 * 24 * time.Hour

// nightKey is what makes a key that a host may have: of its own, so that it can
// be taken away alone; without a passphrase, which nobody would type; and on the
// host only the part that decrypts.
const nightKey = `on your own machine: gpg --batch --passphrase '' --quick-generate-key 'nightly HOST' ed25519 cert 1y && ` +
	`F=$(gpg --with-colons --list-keys 'nightly HOST' | awk -F: '/^fpr/{print $10; exit}') && ` +
	`gpg --batch --passphrase '' --quick-add-key "$F" cv25519 encr 1y && pass init $(cat "${PASSWORD_STORE_DIR:-$HOME/.password-store}/.gpg-id") "$F" && pass git push && ` +
	`(gpg --export; gpg --export-secret-subkeys "$F") | ssh HOST gpg --batch --import`

// examineNightly is examine for a host without people.
func (a *app) examineNightly(ctx context.Context) (err error) {
	a.opts.noninteractive, a.nightly = true, true
	findings := append(a.local(ctx), a.privateFiles()...)
	if a.opts.sandbox != "" {
		s, err := a.open(ctx)
		if err != nil {
			return a.printFindings(append(findings, a.bad("sandbox", err)))
		}
		host, _ := s.nightHost(ctx)
		bucket, _ := s.bucketFindings(ctx)
		findings = append(append(append(append(append(findings, host...), bucket...), s.entries(ctx)...), s.credentials(ctx)...), s.stacks(ctx)...)
		s.progress.Close()
		return errors.Join(a.printFindings(findings), s.close())
	}
	s := a.bare()
	s.catalog, err = a.loadCatalog()
	if err == nil && s.openPass(ctx) == nil {
		host, decrypts := s.nightHost(ctx)
		findings = append(findings, host...)
		if !decrypts {
			// Everything else would fail for the same reason.
			return errors.Join(a.printFindings(append(findings, unchecked("entries, services and stacks", "the key"))), s.close())
		}
	}
	findings = append(findings, s.beyond(ctx, findings)...)
	s.progress.Close()
	return errors.Join(a.printFindings(findings), s.close())
}

// nightHost checks the key and the store's remote; decrypts says whether there
// is any use in going on.
func (s *session) nightHost(ctx context.Context) (out []finding, decrypts bool) {
	entry := s.anyEntry()
	if entry == "" {
		return []finding{{Name: "decryption", Detail: "pass holds no entry of the catalog", Fix: s.app.inPlace("go run . catalog list")}}, false
	}
	started := time.Now()
	_, err := s.store.Read(ctx, entry)
	switch {
	case store.KindOf(err) == store.Locked:
		return append(s.nightKeys(ctx, entry), finding{Name: "decryption", Detail: err.Error(), Fix: nightKey}), false
	case store.KindOf(err) == store.NoKey:
		return []finding{{Name: "decryption", Detail: err.Error(), Fix: nightKey}}, false
	case err != nil:
		return []finding{s.app.bad("decryption", err)}, false
	}
	out = append(out, good("decryption", fmt.Sprintf("%s, without a question, in %.1f s", entry, time.Since(started).Seconds())))
	return append(append(out, s.nightKeys(ctx, entry)...), s.nightRemote(ctx)...), true
}

// anyEntry is the first entry of the catalog that pass holds.
func (s *session) anyEntry() string {
	for _, secret := range s.catalog.Secrets {
		for _, e := range secret.Entries {
			if s.store.Exists(e.Path) {
				return e.Path
			}
		}
	}
	return ""
}

// nightKeys are about what the keys here can do beside decrypting.
func (s *session) nightKeys(ctx context.Context, entry string) (out []finding) {
	keys, err := s.store.SecretKeys(ctx, entry)
	if err != nil {
		return []finding{s.app.bad("key", err)}
	}
	for _, k := range keys {
		name := "key " + k.ID
		note := func(detail, fix string) {
			out = append(out, finding{Name: name, OK: true, Note: true, Detail: detail, Fix: fix})
		}
		before := len(out)
		switch k.Access {
		case store.Cached:
			note("it has a passphrase, which gpg's agent has at the moment; at night, or after a restart, it may not", nightKey)
		case store.Card:
			note("it is on a smart card: it must stay in, with its PIN given", nightKey)
		case store.Asks:
			out = append(out, finding{Name: name, Detail: "it has a passphrase, and nobody is here to type it", Fix: nightKey})
		case store.Free:
		}
		switch {
		case k.HasPrimary:
			note("the secret part of its primary key is here too: whoever takes this host can make keys in its name and sign with them",
				"leave only what decrypts: gpg --export-secret-subkeys "+k.ID+"! >SUB && gpg --delete-secret-keys "+k.Primary+" && gpg --import SUB && shred -u SUB   (keep the whole key elsewhere first)")
		case len(k.Others) > 0:
			note("this host also has keys that sign ("+strings.Join(k.Others, ", ")+")", "export the one subkey that decrypts: gpg --export-secret-subkeys "+k.ID+"!")
		}
		if left := time.Until(k.Expires); !k.Expires.IsZero() && left < expirySoon {
			out = append(out, finding{Name: name, Detail: "it ends on " + k.Expires.Format(time.DateOnly) + ": what it encrypted can still be read, and nothing new is encrypted to it",
				Fix: "where its primary key is: gpg --quick-set-expire " + k.Primary + " 1y && gpg --quick-set-expire " + k.Primary + " 1y '*', then export it again"})
		}
		if len(out) == before {
			out = append(out, good(name, "decrypts, without a passphrase, and can do nothing else"))
		}
	}
	return out
}

// nightRemote asks the store's remote, as the check does, without a write.
func (s *session) nightRemote(ctx context.Context) []finding {
	const name = "store remote, headless"
	started := time.Now()
	y, err := s.store.Compare(ctx)
	if err != nil {
		return []finding{s.app.bad(name, err)}
	}
	if y.Remote == "" {
		return nil // which the entries' own finding says
	}
	may, err := s.store.MayPush(ctx)
	if err != nil {
		return []finding{s.app.bad(name, err)}
	}
	if may {
		return []finding{{Name: name, OK: true, Note: true, Detail: "it also takes a push from here: the drift check only reads (revoke --due pushes)",
			Fix: "give this host a deploy key that only reads, and schedule --only drift: docs/nightly.md"}}
	}
	return []finding{good(name, fmt.Sprintf("answers in %.1f s, without a question, and takes no push", time.Since(started).Seconds()))}
}

// privateFiles are the files of secrets that others could read.
func (a *app) privateFiles() (out []finding) {
	config := a.env.Get("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(a.env.Get("HOME"), ".config")
	}
	for _, file := range []string{a.env.Get("PULUMI_CONFIG_PASSPHRASE_FILE"), filepath.Join(config, "secret-rotation", "nightly.env")} {
		if file == "" {
			continue
		}
		if info, err := os.Stat(a.absolute(file)); err == nil && info.Mode().Perm()&0o077 != 0 {
			out = append(out, finding{Name: "file of secrets", Detail: fmt.Sprintf("%s can be read by others (mode %o)", file, info.Mode().Perm()), Fix: "chmod 600 " + quoted(file)})
		}
	}
	return out
}

// leastFix leads to what each layer needs.
const leastFix = "docs/nightly.md has what each layer needs; the keys that pass holds are the ones that rotate, so this is for you to weigh"

// power says whether a living credential may do more than the check needs.
func (s *session) power(secret secrets.Secret, cred services.Credential, report services.Report) finding {
	name := secret.Service + " accepts " + secret.Name
	note := func(format string, args ...any) finding {
		return finding{Name: name, OK: true, Note: true, Detail: fmt.Sprintf(format, args...), Fix: leastFix}
	}
	switch secret.Service {
	case cloudflare.Name:
		if len(report.Writes) > 0 {
			return note("may do more than read: %s", strings.Join(report.Writes, ", "))
		}
		return note("it may not read its own policies, so it is not known whether it may write; the check needs Workers Scripts Read, Account Settings Read and Zone Read")
	case scaleway.Name:
		return note("what it may is in the IAM policy of its bearer, which is not asked; the check needs ContainersReadOnly, ContainerRegistryReadOnly and ObjectStorageReadOnly")
	case stripe.Name:
		for _, v := range cred {
			if v.HasPrefix("sk_") {
				return note("a standard key, which may do everything; a restricted one (rk_…) that reads the balance does for the check, if its consumers need no more")
			}
		}
	case clerk.Name, sightengine.Name:
		return note("it may do everything: this service has no lesser kind")
	}
	return good(name, strings.TrimSpace(report.Mode+" "+report.Detail))
}
