package hosted

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

const tcpHeader = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// row is a line of /proc/net/tcp for an IPv4 connection, as this machine writes it.
func row(local, remote net.Addr, uid int) string {
	hex := func(a net.Addr) string {
		ap := netip.MustParseAddrPort(a.String())
		b := ap.Addr().As4()
		for _, text := range []string{
			fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], ap.Port()),
			fmt.Sprintf("%02X%02X%02X%02X:%04X", b[0], b[1], b[2], b[3], ap.Port()),
		} {
			if parseAddr(text) == ap {
				return text
			}
		}
		return ""
	}
	return fmt.Sprintf("   0: %s %s 01 00000000:00000000 00:00000000 00000000 %5d        0 1 1 x 20 4 30 10 -1\n", hex(local), hex(remote), uid)
}

func TestConnectionsOfOtherUsersAreTurnedAway(t *testing.T) {
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer inner.Close()
	var said string
	l := newOwnListener(inner, func(line string) { said = line })
	l.uid = 1000
	l.tables = []string{filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "tcp")}

	foreign, err := net.Dial("tcp4", inner.Addr().String())
	require.NoError(t, err)
	defer foreign.Close()
	own, err := net.Dial("tcp4", inner.Addr().String())
	require.NoError(t, err)
	defer own.Close()
	table := tcpHeader + row(foreign.LocalAddr(), inner.Addr(), 1001) + row(own.LocalAddr(), inner.Addr(), 1000)
	require.NoError(t, os.WriteFile(l.tables[1], []byte(table), 0o600))

	got, err := l.Accept()
	require.NoError(t, err)
	defer got.Close()
	require.Equal(t, own.LocalAddr().String(), got.RemoteAddr().String(), "the first one is another user's")
	require.Contains(t, said, "turned away a connection of user 1001")
	_, err = foreign.Read(make([]byte, 1))
	require.Error(t, err, "closed")
}

func TestOwnerIsReadFromTheSystem(t *testing.T) {
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer inner.Close()
	client, err := net.Dial("tcp4", inner.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	l := newOwnListener(inner, func(string) {})
	conn, err := inner.Accept()
	require.NoError(t, err)
	defer conn.Close()
	uid, known := l.owner(conn)
	require.Equal(t, runtime.GOOS == "linux", known)
	if known {
		require.Equal(t, os.Geteuid(), uid)
	}
	l.tables = nil
	_, known = l.owner(conn)
	require.False(t, known, "where the system tells nothing, nobody is turned away")
}

func TestAddressesOfTheTable(t *testing.T) {
	require.False(t, parseAddr("").IsValid())
	require.False(t, parseAddr("xyz:1F90").IsValid())
	require.False(t, parseAddr("0100007F:").IsValid())
	require.False(t, parseAddr("01007F:1F90").IsValid())
	if runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" {
		want := netip.MustParseAddrPort("127.0.0.1:8080")
		require.Equal(t, want, parseAddr("0100007F:1F90"))
		require.Equal(t, want, parseAddr("0000000000000000FFFF00000100007F:1F90"), "an IPv6 socket that speaks IPv4")
	}
}
