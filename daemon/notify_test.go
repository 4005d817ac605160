package daemon

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestTheWatchdogIsFedWhileALargeLedgerIsUpgraded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if err := socket.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	n := notifier{enabled: true, watchdog: 3 * time.Millisecond}
	if err := n.during(func() error { // ends when it was fed twice
		text := make([]byte, 100)
		for range 2 {
			read, err := socket.Read(text)
			if err != nil {
				return err
			}
			if string(text[:read]) != "WATCHDOG=1" {
				t.Errorf("told %q", text[:read])
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
