package hosted

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// ownListener turns away connections of other local users, where the system
// tells whose they are (Linux). It is a second guard: where it tells nothing,
// the values still have to be the planned ones.
type ownListener struct {
	net.Listener
	uid    int
	tables []string
	log    func(string)
}

func newOwnListener(l net.Listener, log func(string)) *ownListener {
	return &ownListener{Listener: l, uid: os.Geteuid(), tables: []string{"/proc/net/tcp", "/proc/net/tcp6"}, log: log}
}

// Accept returns the next connection that is not another user's.
func (l *ownListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, known := l.owner(conn)
		if !known || uid == l.uid || uid == 0 {
			return conn, nil
		}
		l.log("warning: turned away a connection of user " + strconv.Itoa(uid) + " to the provider's port")
		_ = conn.Close()
	}
}

// owner looks the other end of conn up in the kernel's tables of sockets.
func (l *ownListener) owner(conn net.Conn) (uid int, known bool) {
	local, err1 := netip.ParseAddrPort(conn.LocalAddr().String())
	remote, err2 := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err1 != nil || err2 != nil {
		return 0, false
	}
	for _, file := range l.tables {
		table, err := os.ReadFile(file) //nolint:gosec // fixed paths under /proc
		if err != nil {
			continue
		}
		if uid, known := findOwner(string(table), remote, local); known {
			return uid, true
		}
	}
	return 0, false
}

// findOwner reads the format of /proc/net/tcp: sl, local address, remote
// address, state, queues, timer, retransmits, uid.
func findOwner(table string, local, remote netip.AddrPort) (uid int, known bool) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || parseAddr(f[1]) != local || parseAddr(f[2]) != remote {
			continue
		}
		if uid, err := strconv.Atoi(f[7]); err == nil {
			return uid, true
		}
	}
	return 0, false
}

// parseAddr reads 0100007F:1F90 and its IPv6 form: words of 32 bits, each in
// the machine's byte order. What it cannot read is the zero AddrPort.
func parseAddr(s string) netip.AddrPort {
	host, port, _ := strings.Cut(s, ":")
	raw, err1 := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err1 != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		for word := range slices.Chunk(raw, 4) {
			slices.Reverse(word)
		}
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(p))
}
