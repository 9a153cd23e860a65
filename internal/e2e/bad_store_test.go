package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// put writes an entry with gpg itself, without the newline that pass would add,
// and commits and pushes it.
func (w *sandboxed) put(path, content string) {
	w.t.Helper()
	file := filepath.Join(w.root, "content")
	require.NoError(w.t, os.WriteFile(file, []byte(content), 0o600))
	w.shell(`cd "$W/store"
gpg --batch --yes --trust-model always -r "$(cat .gpg-id)" -o "` + path + `.gpg" -e "` + file + `"
git add -A && git commit -qm edited && git push -q`)
}

func TestBadEntries(t *testing.T) {
	t.Parallel()
	live := "sk_live_" + strings.Repeat("a1", 20)
	for name, c := range map[string]struct {
		do   func(w *sandboxed)
		want refusal
	}{
		"missing": {func(w *sandboxed) { w.shell("pass rm -f " + stripeKey + " && pass git push -q") },
			refusal{1, []string{stripeKey, "no such entry"}, "pass ls"}},
		"a folder": {func(w *sandboxed) { w.shell("pass mv " + stripeKey + " " + stripeKey + "/old && pass git push -q") },
			refusal{1, []string{stripeKey, "a folder, not an entry"}, "pass ls " + stripeKey}},
		"empty": {func(w *sandboxed) { w.put(stripeKey, "") },
			refusal{1, []string{stripeKey, "the secret is empty"}, "pass edit " + stripeKey}},
		"an empty first line": {func(w *sandboxed) { w.put(stripeKey, "\n"+live+"\n") },
			refusal{1, []string{stripeKey, "the secret is empty"}, "pass edit " + stripeKey}},
		"Windows line ends": {func(w *sandboxed) { w.put(stripeKey, live+"\r\n") },
			refusal{1, []string{stripeKey, "carriage return"}, "pass edit " + stripeKey}},
		"a NUL byte": {func(w *sandboxed) { w.put(stripeKey, "sk_live_a\x00b\n") },
			refusal{1, []string{stripeKey, "NUL"}, "pass edit " + stripeKey}},
		"blanks around it": {func(w *sandboxed) { w.put(stripeKey, live+" \n") },
			refusal{1, []string{stripeKey, "blank"}, "pass edit " + stripeKey}},
		"a test key": {func(w *sandboxed) { w.put(stripeKey, "sk_test_"+strings.Repeat("a1", 20)+"\n") },
			refusal{1, []string{"stripe", stripeKey, "begins with sk_test_", "expected a Stripe live key"}, "pass edit " + stripeKey}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.do(w)
			w.refused(c.want, "", "rotate", "--secret", "stripe", "--yes")
		})
	}
}

// TestBadStandardInput: what cannot be the new value is refused before anything
// is opened, and never shown.
func TestBadStandardInput(t *testing.T) {
	t.Parallel()
	all := []string{"rotate", "--secret", "stripe", "--value-stdin", "--yes"}
	one := append([]string{"rotate", "--entry", "secret-key"}, all[1:]...)
	w := newWorld(t)
	present := w.value("stripe", "secret-key").Value
	test := "sk_test_" + strings.Repeat("a1", 20)
	for name, c := range map[string]struct {
		stdin string
		want  refusal
		args  []string
	}{
		"a test key":      {test + "\n", refusal{2, []string{stripeKey, "begins with sk_test_", "expected a Stripe live key"}, "--value-stdin --entry secret-key"}, one},
		"two lines":       {strings.Replace(test, "test", "live", 1) + "\nmore\n", refusal{2, []string{stripeKey, "several lines"}, "--value-stdin"}, one},
		"nothing":         {"", refusal{2, []string{"no value"}, "--value-stdin"}, one},
		"a newline":       {"\n", refusal{2, []string{"no value"}, "--value-stdin"}, one},
		"no entry named":  {test, refusal{2, []string{"several entries", "secret-key, webhook-secret"}, "--entry secret-key"}, all},
		"an empty object": {"{}", refusal{2, []string{"no value"}, "--value-stdin"}, all},
		"another entry":   {`{"key":"` + test + `"}`, refusal{2, []string{`no entry "key"`}, "--value-stdin"}, all},
		"an empty value":  {`{"secret-key":""}`, refusal{2, []string{stripeKey, "empty"}, "--value-stdin"}, all},
		"a broken object": {`{"secret-key":"` + test, refusal{2, []string{"JSON object"}, "--value-stdin"}, all},
		"the present one": {present, refusal{2, []string{stripeKey, "holds this value already"}, "--new"}, one},
	} {
		t.Run(name, func(t *testing.T) {
			s := *w
			s.t = t
			r := s.refused(c.want, c.stdin, c.args...)
			for _, value := range []string{test, present} {
				require.NotContains(t, r.stdout+r.stderr, value)
			}
		})
	}
}

func TestBadStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(w *sandboxed)
		want refusal
	}{
		"no secret key": {func(w *sandboxed) { w.shell("gpgconf --kill gpg-agent; rm -f \"$W\"/gnupg/private-keys-v1.d/*") },
			refusal{1, []string{"no secret key"}, "gpg --list-secret-keys"}},
		"behind its remote": {func(w *sandboxed) {
			w.shell(`git clone -q "$W/store.git" other && cd other && git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m other && git push -q`)
		}, refusal{1, []string{"behind the remote", "1 commit"}, "pass git pull"}},
		"dirty": {func(w *sandboxed) { w.shell(`echo x > "$W/store/notes.txt"`) },
			refusal{1, []string{"uncommitted changes", "notes.txt"}, "pass git status"}},
		"remote gone": {func(w *sandboxed) { w.shell(`mv "$W/store.git" elsewhere.git`) },
			refusal{1, []string{"remote unreachable", "store.git"}, "pass git fetch"}},
		"remote refuses": {func(w *sandboxed) { w.shell(`pass git remote set-url origin ssh://git@127.0.0.1:1/store.git`) },
			refusal{1, []string{"remote unreachable", "127.0.0.1"}, "pass git fetch"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.do(w)
			r := w.refused(c.want, "", "rotate", "--secret", "stripe", "--yes")
			require.Contains(t, r.stderr, "=", "the command to type is for the sandbox's own store")
		})
	}
}

// TestLockedKeyDoesNotHang: without a terminal nobody can type the passphrase,
// and waiting for it would be for ever.
func TestLockedKeyDoesNotHang(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shell(`id="$(gpg --with-colons --list-secret-keys | awk -F: '$1=="sec"{print $5;exit}')"
printf '\nnew phrase\n' > phrases
gpg --batch --pinentry-mode loopback --passphrase '' --export-secret-keys "$id" > key
gpgconf --kill gpg-agent; rm -f "$W"/gnupg/private-keys-v1.d/*
gpg --batch --quiet --yes --import key
printf 'allow-loopback-pinentry\npinentry-program /bin/false\n' > "$W/gnupg/gpg-agent.conf"
cat > answer <<'END'
#!/bin/sh
echo OK
while read -r line; do case "$line" in
GETPIN*) echo "D new phrase"; echo OK;; BYE*) echo OK; exit;; *) echo OK;; esac; done
END
chmod +x answer; printf 'pinentry-program %s/answer\n' "$PWD" > "$W/gnupg/gpg-agent.conf"
gpgconf --kill gpg-agent
gpg --batch --passwd "$id"
printf 'pinentry-program /bin/false\n' > "$W/gnupg/gpg-agent.conf"
gpgconf --kill gpg-agent`)
	w.refused(refusal{1, []string{"locked", "needs its passphrase", "no terminal"}, "gpg --decrypt"}, "", "rotate", "--secret", "stripe", "--yes")
}
