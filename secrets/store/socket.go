package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// The address of a Unix socket holds about 107 characters. gpg's agent puts its
// sockets into GNUPGHOME where /run/user does not exist, and then fails in a
// deep folder. A file "%Assuan%" in the socket's place leads to another.
const (
	longestSocket  = 100
	redirectHeader = "%Assuan%\nsocket="
	socketFolder   = "gpg-sockets-"
)

// agentSockets are all that gpg-agent opens; it gives up if one cannot be.
var agentSockets = [...]string{"S.gpg-agent", "S.gpg-agent.extra", "S.gpg-agent.browser", "S.gpg-agent.ssh"}

// shortenSockets makes gpg's agent work for a folder with a long name.
func shortenSockets(home string) error {
	if len(filepath.Join(home, agentSockets[2])) <= longestSocket {
		return nil
	}
	sum := sha256.Sum256([]byte(home))
	dir := filepath.Join(os.TempDir(), socketFolder+hex.EncodeToString(sum[:8]))
	if len(filepath.Join(dir, agentSockets[2])) > longestSocket {
		dir = filepath.Join("/tmp", filepath.Base(dir))
	}
	if err := privateFolder(dir); err != nil {
		return err
	}
	for _, socket := range agentSockets {
		text := redirectHeader + filepath.Join(dir, socket) + "\n"
		if err := os.WriteFile(filepath.Join(home, socket), []byte(text), 0o600); err != nil {
			return fileError("shortening gpg's socket", "", err)
		}
	}
	return nil
}

// reviveSocket makes the short folder anew where shortenSockets made one that
// is gone (temporary folders are cleaned) or belonged to the folder that this
// one is a copy of.
func reviveSocket(home string) error {
	if ownSockets(home) == "" {
		return nil
	}
	return shortenSockets(home)
}

// ownSockets is the short folder that shortenSockets made for home, or empty: a
// living socket cannot be read, and another's redirection is not ours to change.
func ownSockets(home string) string {
	if home == "" {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(home, agentSockets[0]))
	target, redirected := strings.CutPrefix(string(text), redirectHeader)
	dir := filepath.Dir(target)
	if err != nil || !redirected || !strings.HasPrefix(filepath.Base(dir), socketFolder) {
		return ""
	}
	return dir
}

// privateFolder makes dir, or takes it if it is a folder of this user alone: in
// a shared temporary folder somebody else may have been there first.
func privateFolder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrExist) {
		return fileError("shortening gpg's socket", "", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fileError("shortening gpg's socket", "", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || int(owner.Uid) != os.Getuid() {
		return &Error{Kind: Gpg, Op: "shortening gpg's socket", Detail: fmt.Sprintf("%s is not a private folder", dir),
			Next: "ls -ld " + shellQuote(dir)}
	}
	return nil
}
