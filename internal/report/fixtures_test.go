package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// checked is when the fixtures were checked; the slow tests move it to now.
var checked = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

func ago(days float64) time.Time { return checked.Add(-time.Duration(days * 24 * float64(time.Hour))) }

func days(n int) *int { return &n }

func layersOf(status map[string]drift.Status) []drift.Layer {
	var out []drift.Layer
	for i, name := range []string{"journal", "pass", "config", "resources", "names", "values", "issuers", "changes", "locks", "files", "copies"} {
		l := drift.Layer{Name: name, Status: drift.StatusOK, Seconds: 0.3 + 2.7*float64(i%4)}
		if s, ok := status[name]; ok {
			l.Status = s
		}
		out = append(out, l)
	}
	out[3].Seconds = 41.8
	return out
}

func consumer(name, kind, declared, proof, answer, detail string) drift.Consumer {
	return drift.Consumer{Name: name, Kind: kind, Declared: declared, Proof: proof, Answer: answer, Detail: detail}
}

// clean is a night on which all is well.
func clean() drift.Report {
	return drift.Report{
		CheckedAt: checked, Answer: drift.Clean, Layers: layersOf(nil),
		Secrets: []drift.Secret{
			{Name: "cloudflare", Title: "Cloudflare API token of the stacks", AgeDays: days(12), MaxAgeDays: 90, Due: ago(-78), State: "DONE", Issuer: "alive",
				Consumers: []drift.Consumer{consumer("pass", "pass", "exact", "exact", "match", "")}},
			{Name: "scaleway", Title: "Scaleway API key", AgeDays: days(40), MaxAgeDays: 90, Due: ago(-50), State: "DONE", Issuer: "alive",
				Consumers: []drift.Consumer{consumer("infra", "config", "configured", "configured", "match", ""), consumer("stripe-backend", "config", "configured", "configured", "match", ""),
					consumer("state", "backend", "works", "works", "match", ""), consumer("registry", "registry", "works", "works", "match", "")}},
			{Name: "clerk", Title: "Clerk secret key, production", AgeDays: days(78), MaxAgeDays: 90, Due: ago(-12), State: "DONE", Issuer: "alive",
				Consumers: []drift.Consumer{consumer("verifieddit-badges", "worker", "exact", "exact", "match", ""), consumer("stripe-backend", "config", "exact", "exact", "match", "")}},
			{Name: "stripe", Title: "Stripe secret key and webhook secret", AgeDays: days(20), MaxAgeDays: 180, Due: ago(-160), State: "DONE", Issuer: "alive",
				Consumers: []drift.Consumer{consumer("stripe-backend", "config", "exact", "exact", "match", "")}},
			{Name: "sightengine", Title: "Sightengine user and secret", AgeDays: days(3), State: "ADOPTED", Issuer: "alive",
				Consumers: []drift.Consumer{consumer("verifieddit-badges", "worker", "exact", "present", "present", "answers no attest request")}},
		},
		Rotations: []drift.Rotation{
			{Secret: "sightengine", Rotation: "000001", State: "ADOPTED", Began: ago(3), Ended: ago(3), By: []string{"mara@desk"}},
			{Secret: "cloudflare", Rotation: "000003", State: "DONE", Began: ago(13), Ended: ago(12), RevokedAt: ago(12), By: []string{"nightly@ci"}},
			{Secret: "stripe", Rotation: "000004", State: "DONE", Began: ago(27), Ended: ago(20), RevokedAt: ago(20), By: []string{"mara@desk", "jon@laptop"}},
			{Secret: "scaleway", Rotation: "000002", State: "DONE", Began: ago(47), Ended: ago(40), RevokedAt: ago(40), StatedBy: "mara", By: []string{"mara@desk"}},
			{Secret: "clerk", Rotation: "000002", State: "DONE", Began: ago(85), Ended: ago(78), RevokedAt: ago(78), By: []string{"jon@laptop"}},
			{Secret: "clerk", Rotation: "000001", State: "ROLLED_BACK", Began: ago(110), Ended: ago(109.5), By: []string{"jon@laptop"}},
			{Secret: "cloudflare", Rotation: "000002", State: "DONE", Began: ago(101), Ended: ago(99), RevokedAt: ago(99), By: []string{"nightly@ci"}},
		},
		Copies: drift.Copies{Total: 9, Exact: 4, Works: 2, Configured: 2, NameOnly: 1},
	}
}

// full has a finding of every group, gaps, debts, and things that were accepted.
func full() drift.Report {
	r := clean()
	r.Answer = drift.Drift
	r.Layers = layersOf(map[string]drift.Status{"values": drift.StatusDrift, "issuers": drift.StatusDrift, "pass": drift.StatusDrift, "names": drift.StatusUnknown})
	r.Layers[4].Gaps = []drift.Gap{{Subject: "repository/sanmarcsoft/verifieddit", Detail: "GitHub answered 403: the token may not list Actions secrets", Fix: "go run . doctor --nightly"}}
	r.Findings = []drift.Finding{
		{Code: drift.CredentialDead, Subject: "stripe", Severity: drift.Error, Secret: "stripe", Detail: "Stripe refuses the value in pass: 401, the key was revoked",
			Fix: "go run . rotate --secret stripe --new"},
		{Code: drift.MissingAtConsumer, Subject: "clerk/verifieddit-badges/CLERK_SECRET_KEY", Severity: drift.Error, Secret: "clerk",
			Detail: "the Worker lost the name; its next request that needs Clerk fails", Fix: "go run . rotate --secret clerk --pending"},
		{Code: drift.StaleConsumer, Subject: "scaleway/stripe-backend", Severity: drift.Error, Secret: "scaleway", Detail: "runs with the value from before 2026-10-14\nit works until that is retired",
			Fix: "go run . rotate --secret scaleway --pending"},
		{Code: drift.OldStillAlive, Subject: "cloudflare", Severity: drift.Warning, Secret: "cloudflare", Detail: "the token of 2026-08-14 still works at Cloudflare",
			Fix: "go run . revoke --secret cloudflare"},
		{Code: drift.ForeignChange, Subject: "worker/verifieddit-badges", Severity: drift.Warning, Detail: "version 7 of 2026-11-22 19:41 was triggered by a secret, and no rotation of ours made it",
			Fix: "go run . verify --secret clerk"},
		{Code: drift.Expiring, Subject: "key/8F3A0C2D91B7E6544410AB12CD34EF5678901234", Severity: drift.Warning, Detail: "a recipient's gpg key ends on 2026-12-01", Fix: "gpg --quick-set-expire 8F3A0C2D91B7E6544410AB12CD34EF5678901234 1y '*'"},
		{Code: drift.Overdue, Subject: "clerk", Severity: drift.Warning, Secret: "clerk", Detail: "102 days old, may be 90", Fix: "go run . rotate --secret clerk"},
		{Code: drift.Unpushed, Subject: "pass", Severity: drift.Warning, Detail: "2 commits are not pushed", Fix: "pass git push"},
		{Code: drift.UnmanagedAtConsumer, Subject: "worker/verifieddit-badges/OLD_CLERK_KEY", Severity: drift.Warning, Detail: "the catalog does not declare it there",
			Fix:      "npx wrangler secret delete OLD_CLERK_KEY --name verifieddit-badges",
			Accepted: &drift.Acceptance{By: "mara", At: ago(30), Until: ago(-30), Reason: "goes with the badge redesign"}},
		{Code: drift.RollbackRisk, Subject: "worker/verifieddit-badges", Severity: drift.Info, Detail: "versions before 7 hold a dead value", Fix: "go run . history --secret clerk"},
	}
	r.Secrets[0].Debts = []string{"the token of 2026-08-14 is not proven dead since 2026-11-11"}
	r.Secrets[1].Consumers[1] = consumer("stripe-backend", "config", "configured", "configured", "differs", "an older value of ours")
	r.Secrets[1].Consumers[3] = consumer("registry", "registry", "works", "works", "unreachable", "connection refused")
	r.Secrets[2].AgeDays, r.Secrets[2].Due, r.Secrets[2].Running = days(102), ago(12), true
	r.Secrets[2].Consumers[0] = consumer("verifieddit-badges", "worker", "exact", "exact", "unknown", "no answer to attest")
	r.Secrets[3].Issuer = "dead"
	r.Secrets[4].AgeDays, r.Secrets[4].MaxAgeDays = nil, 365
	r.Rotations = append([]drift.Rotation{{Secret: "clerk", Rotation: "000003", State: "DEPLOYING", Began: ago(2), By: []string{"jon@laptop"}}}, r.Rotations...)
	r.Copies = drift.Copies{Total: 9, Exact: 3, Works: 1, Configured: 1, NameOnly: 1, Differs: 1, Unproven: 2}
	return r
}

// unknown found nothing, and could not look everywhere.
func unknown() drift.Report {
	r := clean()
	r.Answer = drift.Unknown
	r.Layers = layersOf(map[string]drift.Status{"values": drift.StatusUnknown, "resources": drift.StatusUnknown})
	r.Layers[3].Gaps = []drift.Gap{{Subject: "stack/infra", Detail: "the backend is locked by an update that began 3 minutes ago", Fix: "go run . drift --stack infra"}}
	r.Layers[5].Gaps = []drift.Gap{{Subject: "clerk/verifieddit-badges", Detail: "https://badges.verifieddit.com/.well-known/attest: no such host", Fix: "go run . verify --secret clerk"}}
	r.Secrets[2].Issuer = "unknown"
	r.Secrets[2].Consumers[0] = consumer("verifieddit-badges", "worker", "exact", "exact", "unreachable", "no such host")
	r.Copies = drift.Copies{Total: 9, Exact: 3, Works: 2, Configured: 2, NameOnly: 1, Unproven: 1}
	return r
}

// progress is a night in the grace of a rotation.
func progress() drift.Report {
	r := clean()
	r.Answer, r.Secrets[2].GraceUntil, r.Secrets[2].State = drift.InProgress, ago(-5), "GRACE"
	return r
}

// evil is in every string of the hostile report.
const evil = `<script>alert("x")</script>'"><img src=//evil.example onerror=alert(1)> | a\|b \\| ` + "`` ``` \x1b[2J\x1b]8;;http://evil\a \u202e" +
	` @octocat #12 GH-7 sanmarc/x#3 0123456789abcdef0123456789abcdef01234567 https://evil.example www.evil.example a@evil.example [l](http://evil) ![i](http://evil) **b** :smile: $x$ &lt; </title></style></code> {{.}}` +
	"\n# heading\n\n| new | row |\n<!-- \r\n- item\tü 漢字 🔑 \xff"

// hostile is large and has what breaks out of every form.
func hostile() drift.Report {
	long := strings.Repeat("x", 3000)
	r := drift.Report{CheckedAt: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC), Answer: drift.Drift, World: evil, Copies: drift.Copies{Total: -1, Exact: 1 << 40, NameOnly: 3}}
	codes := append(drift.Codes(), drift.Code(evil))
	for i := range 200 {
		f := drift.Finding{Code: codes[i%len(codes)], Subject: fmt.Sprintf("s%d/%s", i, evil), Severity: []drift.Severity{drift.Error, drift.Warning, drift.Info, drift.Severity(evil)}[i%4],
			Detail: evil, Fix: fmt.Sprintf("fix %d %s", i, evil), Secret: evil}
		if i%7 == 0 {
			f.Accepted = &drift.Acceptance{By: evil, Reason: evil}
		}
		if i%11 == 0 {
			f.Subject, f.Detail = fmt.Sprint(i)+long, long
		}
		r.Findings = append(r.Findings, f)
	}
	for i := range 40 {
		s := drift.Secret{Name: fmt.Sprintf("%d%s", i, evil), Title: evil, State: evil, Debts: []string{evil, long}, Issuer: evil, MaxAgeDays: float64(i%3) * 30, Running: i%5 == 0}
		switch i % 4 {
		case 0:
			s.AgeDays, s.Due = days(-5), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		case 1:
			s.AgeDays, s.Due = days(1<<30), time.Date(1, 2, 1, 0, 0, 0, 0, time.UTC)
		case 2:
			s.GraceUntil = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		for range 6 {
			s.Consumers = append(s.Consumers, consumer(evil, evil, evil, evil, evil, evil), consumer(long, "k", "exact", "works", "match", long))
		}
		r.Secrets = append(r.Secrets, s)
		r.Rotations = append(r.Rotations, drift.Rotation{Secret: s.Name, Rotation: evil, State: evil, Began: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), By: []string{evil, long}},
			drift.Rotation{Secret: s.Name, State: "DONE", Began: time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC), Ended: checked}, drift.Rotation{Secret: evil})
	}
	for range 12 {
		r.Layers = append(r.Layers, drift.Layer{Name: evil, Status: drift.Status(evil), Seconds: -1e300, Gaps: []drift.Gap{{Subject: evil, Detail: evil, Fix: evil}, {Subject: long}}})
	}
	return r
}

// worlds are all of them by name.
func worlds() map[string]drift.Report {
	return map[string]drift.Report{"clean": clean(), "full": full(), "unknown": unknown(), "progress": progress(), "hostile": hostile(), "empty": {}}
}
