package store

import (
	"context"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// largest is the biggest plaintext that is taken out of a file, in bytes: a
// compressed one could else fill the memory.
const largest = "16777216"

// decrypted is the content of a file and the ids of the keys it is encrypted to.
type decrypted struct {
	content secrets.Value
	keys    []string
}

// runGpg runs gpg with its status lines. pinentry-mode error makes gpg say at
// once that a passphrase is needed, where else it would wait for a pinentry
// that nobody sees.
func (s *Store) runGpg(ctx context.Context, stdin []byte, args ...string) (outcome, statusLines, error) {
	all := []string{"--batch", "--quiet", "--no-tty", "--yes", "--status-fd", "3", "--no-auto-key-locate"}
	if !s.interactive {
		all = append(all, "--pinentry-mode", "error")
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	out, err := run(ctx, command{program: s.gpg, args: append(all, args...), dir: s.dir, env: s.gpgEnv, stdin: stdin, status: true})
	return out, parseStatus(out.status), err
}

// mayAsk tells that a passphrase may be asked for until the function that it returns
// is called.
func (s *Store) mayAsk() (done func()) {
	if !s.interactive || s.asking == nil {
		return func() {}
	}
	return s.asking()
}

// statusLines are gpg's "[GNUPG:] KEYWORD ARGS" lines by keyword.
type statusLines map[string][][]string

func parseStatus(lines []string) statusLines {
	st := statusLines{}
	for _, line := range lines {
		text, ok := strings.CutPrefix(line, "[GNUPG:] ")
		if fields := strings.Fields(text); ok && len(fields) > 0 {
			st[fields[0]] = append(st[fields[0]], fields[1:])
		}
	}
	return st
}

func (st statusLines) has(keyword string) bool { return len(st[keyword]) > 0 }

// first is the first argument of each line with that keyword.
func (st statusLines) first(keyword string) []string {
	var args []string
	for _, line := range st[keyword] {
		if len(line) > 0 {
			args = append(args, line[0])
		}
	}
	return args
}

// decrypt reads a file's bytes. Only gpg's own word that everything was
// decrypted counts: for a file cut off near its start, gpg prints nothing and
// exits 0.
func (s *Store) decrypt(ctx context.Context, op, path string, ciphertext []byte) (decrypted, error) {
	defer s.mayAsk()()
	out, st, err := s.runGpg(ctx, ciphertext, "--max-output", largest, "--decrypt")
	if err == nil && out.code != 0 && agentGone(out.stderr) {
		// It was just being stopped: the next one is started by gpg itself.
		out, st, err = s.runGpg(ctx, ciphertext, "--max-output", largest, "--decrypt")
	}
	defer clear(out.stdout)
	if err != nil {
		return decrypted{}, s.ended(op, path, "gpg", s.byHand(path), err)
	}
	if out.code == 0 && st.has("DECRYPTION_OKAY") && !st.has("DECRYPTION_FAILED") && !st.has("NODATA") {
		return decrypted{content: secrets.NewValue(out.stdout), keys: st.first("ENC_TO")}, nil
	}
	return decrypted{}, s.notDecrypted(ctx, op, path, out, st)
}

func (s *Store) byHand(path string) string {
	if path == "" {
		return "gpg --list-secret-keys"
	}
	// It unlocks the key, or says why it cannot be, and shows nothing of the secret.
	return "gpg --decrypt " + s.shellPath(path+suffix) + " >/dev/null"
}

// notDecrypted says why. gpg's own last word is no help: "No secret key" is
// what it says for a locked one too.
func (s *Store) notDecrypted(ctx context.Context, op, path string, out outcome, st statusLines) error {
	e := &Error{Path: path, Op: op, Next: s.byHand(path)}
	keys := st.first("ENC_TO")
	switch {
	case out.diskFull():
		e.Kind, e.Detail, e.Next = Disk, "gpg: "+tail(out.stderr), "df -h"
	case agentGone(out.stderr):
		e.Kind, e.Detail, e.Next = Gpg, "gpg cannot reach its agent: "+tail(out.stderr), "gpg-connect-agent /bye"
	case strings.Contains(out.stderr, "Cannot allocate memory"):
		e.Kind, e.Detail = Gpg, "gpg's agent is out of memory for keys"
	case st.has("DECRYPTION_KEY") || st.has("NODATA") || len(keys) > 0 && !st.has("BEGIN_DECRYPTION"):
		e.Kind, e.Detail = Damaged, "the file is not, or not wholly, an encrypted entry"
		e.Next = "pass git log -- " + path + suffix
	case len(keys) == 0 && st.has("BEGIN_DECRYPTION"):
		e.Kind, e.Detail = Damaged, "the file is encrypted with a passphrase, not to a key"
	case len(keys) == 0:
		e.Kind, e.Detail = Gpg, tail(out.stderr)
	default:
		e.Kind, e.Detail, e.Next = s.whyNoKey(ctx, keys, e.Next)
	}
	return e
}

func agentGone(stderr string) bool {
	return strings.Contains(stderr, "can't connect to the agent") || strings.Contains(stderr, "No agent running")
}

// whyNoKey looks for the keys in the secret keyring: there but locked, on a
// card, or not there at all.
func (s *Store) whyNoKey(ctx context.Context, wanted []string, byHand string) (Kind, string, string) {
	out, _, err := s.runGpg(ctx, nil, "--with-colons", "--list-secret-keys")
	if err != nil || out.code != 0 {
		return Gpg, "gpg cannot list its secret keys: " + tail(out.stderr), "gpg --list-secret-keys"
	}
	var open, locked, card string // ids of wanted keys
	id := ""                      // of the one whose grip comes next
	for line := range strings.Lines(string(out.stdout)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		switch {
		case f[0] == "grp" && len(f) > 9 && id != "":
			if s.usable(ctx, f[9]) {
				open = id
			} else {
				locked = id
			}
		case len(f) > 14 && (f[0] == "sec" || f[0] == "ssb"):
			id = ""
			if f[14] == "#" || !strings.Contains(f[11], "e") || !holdsKey(wanted, f[4]) {
				continue
			}
			if id = f[4]; f[14] != "" && f[14] != "+" {
				id, card = "", f[4]
			}
		}
	}
	switch {
	case locked != "" && s.interactive:
		return Locked, "the passphrase of the key " + locked + " was not given", byHand
	case locked != "":
		return Locked, "the key " + locked + " needs its passphrase and there is no terminal to ask on", byHand
	case card != "":
		return Locked, "the key " + card + " is on a smart card: insert and unlock it", "gpg --card-status"
	case open != "":
		return Damaged, "the key " + open + " is there and open, but the file's header does not fit it", byHand
	}
	return NoKey, "it is encrypted to " + strings.Join(wanted, ", ") + ", whose secret key is not in this keyring",
		"gpg --list-secret-keys --keyid-format long"
}

// usable asks the agent whether it has the key without a passphrase, or its
// passphrase at hand.
func (s *Store) usable(ctx context.Context, grip string) bool {
	return s.keyInfo(ctx, grip, 6) == "1" || s.keyInfo(ctx, grip, 7) == "C"
}

// keyInfo is a field of the agent's answer about a key, which begins S KEYINFO
// grip type serial id cached protection; empty: it has none.
func (s *Store) keyInfo(ctx context.Context, grip string, field int) string {
	program, found := find(s.gpgEnv, "gpg-connect-agent")
	if !found {
		return ""
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	out, err := run(ctx, command{program: program, args: []string{"KEYINFO " + grip, "/bye"}, dir: s.dir, env: s.gpgEnv})
	if f := strings.Fields(string(out.stdout)); err == nil && len(f) > 7 && f[1] == "KEYINFO" {
		return f[field]
	}
	return ""
}

// holdsKey: an id of zeros is a recipient who was left anonymous, so any key may
// be the one.
func holdsKey(wanted []string, id string) bool {
	for _, w := range wanted {
		if w == id || strings.Trim(w, "0") == "" {
			return true
		}
	}
	return false
}
