package daemon

import (
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// notifier tells systemd how the daemon does. Outside of systemd each call does nothing.
type notifier struct {
	enabled  bool
	watchdog time.Duration // 0 = none asked for
}

func newNotifier(getenv func(string) string) notifier {
	n := notifier{enabled: getenv("NOTIFY_SOCKET") != ""}
	if !n.enabled {
		return n
	}
	if interval, err := sd.SdWatchdogEnabled(false); err == nil {
		n.watchdog = interval
	}
	return n
}

func (n notifier) send(state string) {
	if n.enabled {
		_, _ = sd.SdNotify(false, state) // systemd's own timeouts tell when it was not heard
	}
}

func (n notifier) ready()    { n.send(sd.SdNotifyReady) }
func (n notifier) stopping() { n.send(sd.SdNotifyStopping) }

// alive feeds the watchdog. It is called from the loop itself, so that a stuck loop is noticed.
func (n notifier) alive() {
	if n.watchdog > 0 {
		n.send(sd.SdNotifyWatchdog)
	}
}

// during feeds the watchdog while work goes on that takes long and ends by itself: the upgrade of a large ledger.
func (n notifier) during(work func() error) error {
	if n.watchdog <= 0 {
		return work()
	}
	done := make(chan struct{})
	var feeding sync.WaitGroup
	feeding.Go(func() {
		every := time.NewTicker(n.watchdog / 3)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				n.alive()
			case <-done:
				return
			}
		}
	})
	defer feeding.Wait()
	defer close(done)
	return work()
}

// bound keeps a sleep short enough for the watchdog.
func (n notifier) bound(sleep time.Duration) time.Duration {
	if n.watchdog > 0 {
		return min(sleep, n.watchdog/3)
	}
	return sleep
}
