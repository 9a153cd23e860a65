package journal

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// Holder is the process that wrote an event. BootID and Started make a process
// id unmistakable: neither a reboot nor a reused id passes for it.
type Holder struct {
	User   string `json:"user"`
	Host   string `json:"host"`
	PID    int    `json:"pid"`
	BootID string `json:"boot_id,omitempty"`
	// Machine tells hosts of one name apart, Namespace the process ids of one
	// container from another's.
	Machine   string `json:"machine,omitempty"`
	Namespace string `json:"pid_namespace,omitempty"`
	Started   string `json:"started,omitempty"`
}

// Self describes this process.
func Self() Holder {
	h := Holder{PID: os.Getpid(), BootID: bootID(), Machine: machine()}
	h.Namespace, _ = os.Readlink("/proc/self/ns/pid")
	h.Host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		h.User = u.Username
	}
	h.Started = startTime(h.PID)
	return h
}

// String names the holder for a person.
func (h Holder) String() string {
	return fmt.Sprintf("%s on %s (process %d)", h.User, h.Host, h.PID)
}

// Dead reports whether the holder is proven dead: same host, and its process is
// gone or another one has its id. Anything that cannot be told is false.
func (h Holder) Dead() bool {
	self := Self()
	if h.Host != self.Host || differ(h.Machine, self.Machine) {
		return false
	}
	if differ(h.BootID, self.BootID) {
		// Rebooted, if it is this machine and not another one of its name.
		return h.Machine != "" && self.Machine != ""
	}
	if differ(h.Namespace, self.Namespace) {
		return false // its process id means nothing here
	}
	if err := syscall.Kill(h.PID, 0); err == syscall.ESRCH {
		return true
	}
	now := startTime(h.PID)
	return h.Started != "" && now != "" && now != h.Started
}

// differ: both are known, and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// machine is a digest of systemd's id of this installation, which is not to be
// shown as it is (machine-id(5)).
func machine() string {
	data, err := os.ReadFile("/etc/machine-id")
	if err != nil || len(strings.TrimSpace(string(data))) == 0 {
		return ""
	}
	return digest(append([]byte("secret-rotation\x00"), data...))[:16]
}

// bootID is Linux's; where there is none, process start times are compared only.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// startTime is field 22 of /proc/PID/stat: clock ticks since boot. A zombie has
// ended: it counts as not running.
func startTime(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The command's name, in brackets, may hold blanks: count from its end.
	at := strings.LastIndexByte(string(data), ')')
	if at < 0 {
		return ""
	}
	fields := strings.Fields(string(data[at+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return "ended"
	}
	return fields[19]
}
