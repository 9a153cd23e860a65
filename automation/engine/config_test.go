package engine_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// awkward are values that shells, YAML or trimming would change.
func awkward() map[string]string {
	return map[string]string{
		"simple": "sk_live_0123456789", "spaces": "  a b  ", "lines": "one\ntwo\n", "crlf": "one\r\ntwo\r\n",
		"quotes": `a"b'c\d`, "yaml": "{a: [b]} # c", "dashes": "--help", "letters": "größe ✓", "percent": "%s%d$HOME`id`",
		"pem": "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n",
	}
}

func TestThePlainCLIReadsWhatWeWrite(t *testing.T) {
	l := newLab(t, realCLI(t))
	s := l.declared(component)
	require.NoError(t, s.Init(context.Background()))
	l.write(s, awkward())
	for key, want := range awkward() {
		got := l.pulumi("", "config", "get", key, "--stack", "prod", "--json")
		require.True(t, strings.Contains(got, `"secret": true`), key)
		require.Equal(t, want, decoded(t, got), key)
	}
}

func TestWeReadWhatThePlainCLIWrites(t *testing.T) {
	l := newLab(t, realCLI(t))
	s := l.existing()
	for key, value := range awkward() {
		l.pulumi(value, "config", "set", "--secret", "--raw", key, "--stack", "prod")
	}
	l.pulumi("", "config", "set", "aws:region", "fr-par", "--stack", "prod")
	l.pulumi("", "config", "set", "size", "large", "--stack", "prod")
	conf, err := s.Config(context.Background())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"aws:region": "fr-par", "size": "large"}, conf.Plain)
	require.Len(t, conf.Secrets, len(awkward())+1)
	for key, want := range awkward() {
		require.True(t, conf.Secrets[key].Equal(val(want)), key)
	}
	require.Zero(t, l.engine.Processes()-1, "only init")
}

func TestWriteConfigAndUndo(t *testing.T) {
	ctx := context.Background()
	c, _ := fakeCLI(t, "exit 1")
	l := newLab(t, c)
	s := l.declared(component)
	before := l.file(s)
	edit, err := s.WriteConfig(ctx, map[string]secrets.Value{"token": val("second-token-value"), "other": val("x")})
	require.NoError(t, err)
	require.Equal(t, []string{"other", "token"}, edit.Changed)
	require.NotContains(t, l.file(s), "second-token-value")
	require.NoError(t, edit.Undo())
	require.Equal(t, before, l.file(s))
	require.Zero(t, l.engine.Processes())
}

func TestConfigWithAnotherPassphrase(t *testing.T) {
	ctx := context.Background()
	c, _ := fakeCLI(t, "exit 1")
	l := newLab(t, c)
	before := l.file(l.declared(component))
	s, err := l.newEngine("wrong").Open(ctx, engine.StackSpec{Name: "prod", Dir: l.dir, Program: component})
	require.NoError(t, err)
	_, err = s.Config(ctx)
	require.NotEmpty(t, asError(t, err, engine.Passphrase).Next)
	_, err = s.WriteConfig(ctx, map[string]secrets.Value{"token": val("x")})
	asError(t, err, engine.Passphrase)
	_, _, err = s.StandIn(ctx, map[string]secrets.Value{"token": val("x")})
	asError(t, err, engine.Passphrase)
	require.Equal(t, before, l.file(s))
}

func TestAnEmptyPassphraseIsRefused(t *testing.T) {
	c, _ := fakeCLI(t, "exit 1")
	l := newLab(t, c)
	for _, phrase := range []string{"", "\n", " \t\r\n"} {
		_, err := l.newEngine(phrase).Open(context.Background(), engine.StackSpec{Name: "prod", Dir: l.dir, Program: component})
		require.NotEmpty(t, asError(t, err, engine.Passphrase).Next)
	}
	_, err := l.newEngine(passphrase).Open(context.Background(),
		engine.StackSpec{Name: "prod", Dir: l.dir, Program: component, Passphrase: val(" ")})
	asError(t, err, engine.Passphrase)
}

func TestAMissingFileOfAnExistingProjectIsNotMade(t *testing.T) {
	l := newLab(t, realCLI(t))
	s := l.existing()
	require.NoError(t, os.Remove(s.File()))
	_, err := s.WriteConfig(context.Background(), map[string]secrets.Value{"token": val("x")})
	require.ErrorContains(t, asError(t, err, engine.Failed), "Pulumi.prod.yaml is missing")
	require.NoFileExists(t, s.File())
}
