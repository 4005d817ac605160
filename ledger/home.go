package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// Keys of ledger_info that say where a ledger is at home.
const (
	infoHost     = "home_host"
	infoHostName = "home_name"
	infoPath     = "home_path"
	infoSince    = "home_since"
	infoRestored = "restored_from"
	infoRestAt   = "restored_at"
	infoRestBy   = "restored_by"
)

// Home is the machine and the file that a ledger belongs to. What runs outside was started from there:
// anywhere else the ledger is paused until it is adopted.
type Home struct {
	HostID   string    `json:"host_id"`
	HostName string    `json:"host_name"`
	Path     string    `json:"path"` // absolute, without symbolic links
	Since    time.Time `json:"since"`
}

// Why a ledger is paused: the codes of Pause.
const (
	PausedOtherHost = "other_host" // its home is another machine
	PausedOtherPath = "other_path" // its home is another file of this machine
	PausedRestored  = "restored"   // it is a copy that was made earlier
	PausedWentBack  = "went_back"  // its witness file has seen a later state of it
)

// Pause says why a ledger must not act: its ticks are refused until it is adopted. Reason "" means that
// it is not paused.
type Pause struct {
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Since is the time of the restore; zero for a copy or a move, of which nobody knows when it was made.
	Since time.Time `json:"since,omitzero"`
}

// Err is the Conflict error with which whatever would act on a paused ledger is refused; nil where it is
// not paused.
func (p Pause) Err(what string) error {
	if p.Reason == "" {
		return nil
	}
	return fault.New(fault.Conflict, fmt.Sprintf("%s: the ledger is paused: %s", what, p.Reason), AdoptHint)
}

// AdoptHint is what an operator does about a paused ledger.
const AdoptHint = "beampipe ledger adopt --reason TEXT (it first asks every place what runs there; --dry-run only shows)"

// Here is where this process has the ledger open.
func (l *Ledger) Here() Home {
	path := l.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return Home{HostID: l.hostID, HostName: hostName(), Path: path, Since: l.Now()}
}

// Home gives where the ledger is at home; the zero value where nobody has written that down yet.
func (v View) Home() (Home, error) {
	info, err := v.info()
	if err != nil {
		return Home{}, err
	}
	h := Home{HostID: info[infoHost], HostName: info[infoHostName], Path: info[infoPath]}
	var since timeText
	err = since.Scan(info[infoSince])
	h.Since = since.value()
	return h, err
}

// info reads what the ledger says about itself.
func (v View) info() (map[string]string, error) {
	info := map[string]string{}
	err := v.list("about the ledger", "SELECT key, value FROM ledger_info", nil, func(rows *sql.Rows) error {
		var key, value string
		err := rows.Scan(&key, &value)
		info[key] = value
		return err
	})
	return info, err
}

// Paused tells whether, and why, this ledger must not act from here. Reading it is always possible.
func (l *Ledger) Paused(ctx context.Context) (Pause, error) {
	info, err := l.View(ctx).info()
	if err != nil {
		return Pause{}, err
	}
	here := l.Here()
	name := info[infoHostName]
	if name == "" {
		name = info[infoHost]
	}
	switch {
	case info[infoRestored] != "":
		at, known := readStamp(info[infoRestAt])
		day := "an unknown day"
		if known {
			day = Minute(at)
		}
		return Pause{
			Code: PausedRestored, Since: at,
			Reason: fmt.Sprintf("it was restored from %s on %s, and what was done after that copy was made may still run", info[infoRestored], day),
		}, nil
	case info[infoHost] == "":
		return Pause{}, nil // nobody has opened it for writing yet: it is at home where that happens
	case info[infoHost] != here.HostID:
		if name == here.HostName { // machines that were cloned, or that are told apart by BEAMPIPE_HOST_ID
			return Pause{Code: PausedOtherHost, Reason: fmt.Sprintf("it is at home on another machine of the name %s (id %.8s, this is %.8s)", name, info[infoHost], here.HostID)}, nil
		}
		return Pause{Code: PausedOtherHost, Reason: fmt.Sprintf("it is at home on machine %s, this is %s", name, here.HostName)}, nil
	case info[infoPath] != here.Path:
		return Pause{Code: PausedOtherPath, Reason: fmt.Sprintf("it is at home at %s, this is %s", info[infoPath], here.Path)}, nil
	}
	seen, err := l.Witness()
	if err != nil || !seen.Lost() {
		return Pause{}, err
	}
	return Pause{Code: PausedWentBack, Reason: "its witness file " + seen.Path + " speaks against it: " + seen.Detail}, nil
}

func readStamp(stamp string) (at time.Time, ok bool) {
	at, err := time.Parse(provenance.TimeFormat, stamp)
	return at, err == nil
}

// settle writes down where the ledger is at home, if nobody has yet.
func (l *Ledger) settle(ctx context.Context) error {
	home, err := l.View(ctx).Home()
	if err != nil || home.HostID != "" {
		return err
	}
	return l.Write(ctx, func(tx *Tx) error {
		home, err := tx.Home()
		if err != nil || home.HostID != "" {
			return err
		}
		return tx.setHome(l.Here())
	})
}

func (tx *Tx) setHome(h Home) error {
	for _, kv := range [][2]string{{infoHost, h.HostID}, {infoHostName, h.HostName}, {infoPath, h.Path}, {infoSince, Stamp(tx.now)}} {
		if err := tx.setInfo(kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) setInfo(key, value string) error {
	_, err := tx.exec("write "+key, "INSERT INTO ledger_info (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	return err
}

// MarkRestored says that the ledger is a copy that was put back: it is paused until it is adopted. The
// event ledger.restored is part of it.
func (tx *Tx) MarkRestored(from, reason, actor string) error {
	for _, kv := range [][2]string{{infoRestored, from}, {infoRestAt, Stamp(tx.now)}, {infoRestBy, actor}} {
		if err := tx.setInfo(kv[0], kv[1]); err != nil {
			return err
		}
	}
	return tx.Append(provenance.Event{Type: provenance.LedgerRestored, Actor: actor}, map[string]any{"from": from, "reason": reason})
}

// Adoption is what Adopt records.
type Adoption struct {
	Here   Home // where the ledger is at home from now on: Ledger.Here
	Pause  Pause
	Reason string
	Actor  string
	Counts map[string]int // what was found and done outside before
}

// Adopt makes a paused ledger one that acts from here: its home is moved, the mark of a restored copy is
// taken off, the claims and the lease of those who had it before are ended. The event ledger.adopted is
// part of it. The caller has looked at what runs outside before.
func (tx *Tx) Adopt(a Adoption) error {
	from, err := tx.Home()
	if err != nil {
		return err
	}
	if err := tx.setHome(a.Here); err != nil {
		return err
	}
	if _, err := tx.exec("end the mark of a restored copy", "DELETE FROM ledger_info WHERE key IN (?, ?, ?)", infoRestored, infoRestAt, infoRestBy); err != nil {
		return err
	}
	released, err := tx.ReleaseAllClaims()
	if err != nil {
		return err
	}
	if err := tx.fenceLease(); err != nil {
		return err
	}
	return tx.Append(provenance.Event{Type: provenance.LedgerAdopted, Actor: a.Actor}, map[string]any{
		"reason": a.Reason, "pause": a.Pause.Code, "why_paused": a.Pause.Reason, "claims_released": released, "found": a.Counts,
		"from": map[string]any{"host_id": from.HostID, "host_name": from.HostName, "path": from.Path},
		"to":   map[string]any{"host_id": a.Here.HostID, "host_name": a.Here.HostName, "path": a.Here.Path},
	})
}
