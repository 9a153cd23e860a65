package store

import (
	"os"
	"strings"
)

// childVariables is everything of the caller's environment that gpg, git and
// pass get to see. What is missing is missing on purpose: GIT_DIR and its kin
// and GIT_CONFIG_* lead git to another repository or configuration, LD_PRELOAD
// into another program, and credentials in the environment (AWS_*, CF_TOKEN)
// are no business of theirs. PASSWORD_STORE_GPG_OPTS, which pass honours, could
// add a recipient or write the plaintext to a file, so it is not among them
// and is not read anywhere in this package.
var childVariables = [...]string{
	"HOME", "PATH", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "TERM",
	"GNUPGHOME", "GPG_AGENT_INFO", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS",
	"SSH_AUTH_SOCK", "SSH_AGENT_PID", "GIT_SSH_COMMAND",
	"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE",
	"GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE", "EMAIL",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
}

// terminalVariables let a pinentry find the person; without a terminal they
// are left out, so that nothing can wait for somebody who is not there.
var terminalVariables = [...]string{"GPG_TTY", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "PINENTRY_USER_DATA"}

// childEnv is the environment of every child process.
func childEnv(from []string, gnupgHome string, interactive bool) []string {
	var env []string
	take := func(names []string) {
		for _, name := range names {
			if value, ok := lookupEnv(from, name); ok {
				env = append(env, name+"="+value)
			}
		}
	}
	take(childVariables[:])
	if interactive {
		take(terminalVariables[:])
		if tty := terminal(); tty != "" && getenv(env, "GPG_TTY") == "" {
			env = append(env, "GPG_TTY="+tty)
		}
	}
	if gnupgHome != "" {
		env = append(env, "GNUPGHOME="+gnupgHome)
	}
	// Messages are matched in English; file names stay UTF-8.
	return append(env, "LC_ALL=C.UTF-8", "LANGUAGE=")
}

// terminal is what tty(1) prints, as pass sets GPG_TTY.
func terminal() string {
	name, err := os.Readlink("/proc/self/fd/0")
	if err != nil || !strings.HasPrefix(name, "/dev/") || name == os.DevNull {
		return ""
	}
	return name
}

// lookupEnv finds a variable; as in a process, the last one of a name wins.
func lookupEnv(env []string, name string) (string, bool) {
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

func getenv(env []string, name string) string {
	value, _ := lookupEnv(env, name)
	return value
}
