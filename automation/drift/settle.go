package drift

import (
	"path"
	"slices"
	"strings"
)

// settle drops what only follows from another finding of the same place.
func settle(all []Finding) []Finding {
	has, mistakes := map[string]bool{}, map[string]bool{}
	for _, f := range all {
		has[f.Key()] = true
		mistakes[f.Secret] = mistakes[f.Secret] || f.mistake
	}
	missing := func(subject string) bool {
		return slices.ContainsFunc(all, func(f Finding) bool { return f.Code == MissingAtConsumer && below(f.Subject, subject) })
	}
	// No secret can be written to a Worker whose newest version does not serve.
	undeployed := map[string]Finding{}
	for _, f := range all {
		if place, ok := strings.CutSuffix(f.Subject, deployment); ok && f.Code == ForeignChange {
			undeployed[place] = f
		}
	}
	for i, f := range all {
		if first, ok := undeployed[f.holder]; ok && f.holder != "" {
			all[i].Repair, all[i].Fix = Repair{}, first.Fix
		}
	}
	return slices.DeleteFunc(withOthers(all), func(f Finding) bool {
		switch f.Code {
		case ValueDiffers, StaleConsumer:
			// Without the name there is no value to differ; no consumer is wrong where
			// pass is; and what a dead credential is refused for is said once.
			return missing(f.Subject) || f.Code == StaleConsumer && mistakes[f.Secret] || f.consequence && has[string(CredentialDead)+":"+f.Secret]
		}
		return false
	})
}

// withOthers looks at each finding's repair in the light of the others.
func withOthers(all []Finding) []Finding {
	for i, f := range all {
		at := slices.IndexFunc(all, func(o Finding) bool { return aboutConfig(o) && o.stack == f.stack })
		switch {
		case at < 0:
		case f.Code == ResourceDrift && f.Severity != Info:
			// What differs is a value that the other finding is about: an up for the sake
			// of another secret would roll it out.
			all[i] = f.mendedBy(all[at].Repair)
		case f.Code == ConfigUncommitted:
			all[i].Detail = "is not committed as it stands, and holds what is not pass's: mend that first"
			all[i].Fix = "git -C " + quoted(path.Dir(f.Subject)) + " diff -- " + quoted(path.Base(f.Subject))
		case f.Code == Unpushed && f.stack != "":
			all[i].Detail = "is committed and not pushed, and holds what is not pass's: mend that first"
			all[i].Fix = "git -C " + quoted(path.Dir(f.Subject)) + " log -p @{upstream}.. -- " + quoted(path.Base(f.Subject))
		}
	}
	for i, f := range all {
		if f.holder == "" || f.Repair.Verb != Roll {
			continue
		}
		// Of what one holder lacks, none can be adopted without the others.
		var names []string
		for _, o := range all {
			if o.holder == f.holder && o.Repair.Verb == Roll && !slices.Contains(names, o.Repair.Name) {
				names = append(names, o.Repair.Name)
			}
		}
		if len(names) > 1 {
			all[i].Fix = command(Roll, names)
		}
	}
	return all
}

// aboutConfig reports whether a finding is about what a stack rolls out and is
// mended by this program.
func aboutConfig(f Finding) bool {
	return f.stack != "" && f.holder == "" && f.Repair != (Repair{}) && slices.Contains([]Code{ValueDiffers, StaleConsumer, MissingAtConsumer}, f.Code)
}
