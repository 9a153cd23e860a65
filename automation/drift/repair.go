package drift

import "strings"

// Verb is a way to mend findings that this program has itself.
type Verb string

// The verbs, in the order in which repairs are made.
const (
	// Pull and Push bring the pass store and its remote together.
	Pull Verb = "pull"
	Push Verb = "push"
	// Unlock takes a dead update's lock off a stack.
	Unlock Verb = "unlock"
	// GoOn continues a rotation or an adoption that stopped.
	GoOn    Verb = "go-on"
	Readopt Verb = "adopt"
	// Pending rolls out what was edited into pass, and retires the value before.
	Pending Verb = "pending"
	// Roll brings pass's value to every consumer and retires nothing.
	Roll Verb = "roll"
	// Anew is Roll that looks at the stacks' resources anew and writes the present
	// state down as the known one, also where every consumer proves pass's value.
	Anew Verb = "roll-anew"
	// Renew rotates to a fresh value.
	Renew Verb = "renew"
)

// Verbs are all of them, in the order in which repairs are made.
func Verbs() []Verb {
	return []Verb{Pull, Push, Unlock, GoOn, Readopt, Pending, Roll, Anew, Renew}
}

// Repair is what this program would do about a finding; the zero Repair where a
// person has to.
type Repair struct {
	Verb Verb
	// Name is the secret's, or the stack's for Unlock; empty for pass.
	Name string
}

// Command is what a person would type for it.
func (r Repair) Command() string { return command(r.Verb, []string{r.Name}) }

// command is the one call that does a verb to all of these.
func command(verb Verb, names []string) string {
	flags := ""
	for _, name := range names {
		flags += " --secret " + name
	}
	switch verb {
	case Pull:
		return "pass git pull --rebase"
	case Push:
		return "pass git push"
	case Unlock:
		return "go run . unlock --stack " + strings.Join(names, " --stack ")
	case GoOn:
		return "go run . rotate" + flags
	case Readopt:
		return "go run . adopt" + flags
	case Pending:
		return "go run . rotate" + flags + " --pending"
	case Roll:
		return "go run . adopt" + flags + " --roll"
	case Anew:
		return "go run . adopt" + flags + " --roll --anew"
	case Renew:
		return "go run . rotate" + flags + " --new"
	}
	return ""
}

// mendedBy is the finding with its repair and the command for it.
func (f Finding) mendedBy(r Repair) Finding {
	f.Repair, f.Fix = r, r.Command()
	return f
}

// byHand is a finding that a person mends somewhere else: what to do there, as a
// comment that does no harm where it is pasted.
func byHand(where, what string) string { return "# at " + where + ": " + strings.TrimSpace(what) }
