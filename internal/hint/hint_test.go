package hint

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACommandIsTypedAsItStands(t *testing.T) {
	c := Command{Verb: "rotate", Secrets: []string{"acme", "shop key"}, Flags: []string{Flag("--grace", "0"), Flag("--hold")}}
	require.Equal(t, "go run . rotate --secret acme --secret 'shop key' --grace 0 --hold", c.String())
	require.Equal(t, "go run . rotate --secret acme --secret 'shop key' --hold --grace 7d", c.With(Flag("--grace", "7d")).String())
	require.Equal(t, "go run . rotate --secret acme --secret 'shop key' --grace 0", c.Without("--hold").String())
	require.Equal(t, "go run . rotate --secret acme --secret 'shop key' --grace 0 --hold", c.String(), "a command does not change")
	require.Equal(t, `--entry 'a'\''b'`, Flag("--entry", "a'b"))
}

func TestAPlaceIsAddedToCommandsOfThisProgramOnly(t *testing.T) {
	p := Place{Sandbox: "w b", Catalog: "c.yaml", Root: "..", Pulumi: "/opt/$1/pulumi", ShellCredentials: true}
	flags := "--sandbox='w b' --catalog=c.yaml --root=.. --pulumi='/opt/$1/pulumi' --shell-credentials"
	for text, want := range map[string]string{
		"after 3 May: go run . rotate --grace 0":       "after 3 May: go run . rotate " + flags + " --grace 0",
		"go run . journal repair --secret a":           "go run . journal repair " + flags + " --secret a",
		"go run . setup":                               "go run . setup",
		"go run . setup --bucket":                      "go run . setup --bucket " + flags,
		"pass edit a/b":                                "pass edit a/b",
		"go run . drift --root=x --catalog c --pulumi": "go run . drift --sandbox='w b' --shell-credentials --root=x --catalog c --pulumi",
	} {
		require.Equal(t, want, p.In(text))
	}
	require.Equal(t, "go run . drift", Place{}.In("go run . drift"))
}

func TestACommandStandsApartFromTheWordsAboutIt(t *testing.T) {
	for text, want := range map[string][3]string{
		"go run . rotate --secret a":                                  {"", "go run . rotate --secret a", ""},
		"after 3 May: go run . revoke --secret a":                     {"after 3 May:", "go run . revoke --secret a", ""},
		"go run . rotate --secret a --new       (it is in use)":       {"", "go run . rotate --secret a --new", "(it is in use)"},
		"make a new key at the dashboard, then take the old one away": {"make a new key at the dashboard, then take the old one away", "", ""},
	} {
		before, command, after := Split(text)
		require.Equal(t, want, [3]string{before, command, after}, text)
	}
}
