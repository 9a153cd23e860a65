package secrets

import (
	"fmt"
	"strings"
	"unicode"
)

// uniqueHeld: a holder has each name once, and its stack each config key.
func (c *checker) uniqueHeld(at place, consumer Consumer, name string) {
	first, free := c.claim(at, string(consumer.Kind), consumer.Holder()+"\x00"+name)
	if c.wantKey(free, at, fmt.Sprintf("%s, which %s sets already", name, first), "each secret of "+consumer.title()+" once") {
		c.uniqueKey(at, consumer.Stack, consumer.ConfigKey(name))
	}
}

// holderWord is what messages call a kind of holder.
func holderWord(k ConsumerKind) string {
	if k == KindWorker {
		return "Worker"
	}
	return string(k)
}

// holderNames checks the names that go into requests and config keys.
func (c *checker) holderNames(at place, consumer Consumer) {
	if consumer.Kind == KindContainer || consumer.Kind == KindNamespace {
		c.want(consumer.Region != "", at.key("region"), "nothing", "a region, here or as services.scaleway.region")
	}
	if consumer.Kind == KindActions {
		c.actionsPlace(at, consumer)
	}
	for _, field := range []struct{ name, text string }{
		{"container", consumer.Container}, {"namespace", consumer.Namespace}, {"region", consumer.Region},
	} {
		c.text(field.text == "" || isName(field.text), at.key(field.name), field.text, nameForm)
	}
}

const actionsNameForm = "a name of capital letters, digits and _ that begins with no digit and not with GITHUB_"

// isActionsName: GitHub takes lower case too but shows upper case.
func isActionsName(name string) bool {
	return isVariable(name) && strings.ToUpper(name) == name && !strings.HasPrefix(name, "GITHUB_")
}

// actionsPlace: a repository, an environment of one, or an organization.
func (c *checker) actionsPlace(at place, consumer Consumer) {
	if consumer.Organization != "" {
		c.want(consumer.Repository == "", at.key("repository"), "repository", "either a repository or an organization")
		c.want(consumer.Environment == "", at.key("environment"), "environment", "no environment for an organization")
		c.text(isGitHubName(consumer.Organization), at.key("organization"), consumer.Organization, "the name of an organization")
		return
	}
	owner, name, two := strings.Cut(consumer.Repository, "/")
	c.text(two && isGitHubName(owner) && isGitHubName(name), at.key("repository"), consumer.Repository, "OWNER/NAME of a repository, or an organization")
	printable := strings.IndexFunc(consumer.Environment, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	c.text(printable && strings.TrimSpace(consumer.Environment) == consumer.Environment, at.key("environment"), consumer.Environment, "the name of an environment")
}

func isGitHubName(name string) bool {
	return name != "" && name != "." && name != ".." && madeOf(name, letters+digits+"._-")
}
