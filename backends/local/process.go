package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// identity names a process for good: a pid is given away again, a pid with the time of its start on one
// boot is not.
type identity struct {
	Pid     int    `json:"pid"`
	Started uint64 `json:"started"` // clock ticks after boot, field 22 of /proc/<pid>/stat
	Boot    string `json:"boot"`    // /proc/sys/kernel/random/boot_id
}

// self is the identity of this process.
func self() (identity, error) {
	stat, err := readStat(os.Getpid())
	if err != nil {
		return identity{}, fmt.Errorf("identify this process: %w", err)
	}
	return identity{Pid: stat.pid, Started: stat.started, Boot: bootID()}, nil
}

// identify gives the identity of a process that is there.
func identify(pid int) (identity, error) {
	stat, err := readStat(pid)
	if err != nil {
		return identity{}, err
	}
	return identity{Pid: pid, Started: stat.started, Boot: bootID()}, nil
}

// alive tells whether the process still runs. A zombie does not. An error means that /proc could not be
// read: neither answer.
func (i identity) alive() (bool, error) {
	if i.Pid <= 0 || i.Boot != bootID() {
		return false, nil
	}
	stat, err := readStat(i.Pid)
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return stat.started == i.Started && !stat.dead(), nil
}

// bootID is empty on a system that has none.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// procStat is what is used of /proc/<pid>/stat.
type procStat struct {
	pid     int
	state   byte
	session int
	started uint64
}

func (s procStat) dead() bool { return s.state == 'Z' || s.state == 'X' || s.state == 'x' }

func readStat(pid int) (procStat, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(pid, string(raw))
}

// parseStat reads a stat line; see proc_pid_stat(5). The command in the second field may hold anything,
// also spaces and parentheses.
func parseStat(pid int, line string) (procStat, error) {
	_, rest, ok := cutLast(line, ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || len(fields[0]) != 1 {
		return procStat{}, fmt.Errorf("/proc/%d/stat has another form than expected: %.200q", pid, line)
	}
	session, err := strconv.Atoi(fields[3])
	if err != nil {
		return procStat{}, fmt.Errorf("/proc/%d/stat: the session: %w", pid, err)
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return procStat{}, fmt.Errorf("/proc/%d/stat: the start time: %w", pid, err)
	}
	return procStat{pid: pid, state: fields[0][0], session: session, started: started}, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// isGone tells that a process ended while it was looked at.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// processesOf finds the processes that belong to an attempt: those in the shim's session, and those
// that carry the attempt in their environment, wherever they went. shim may be the zero identity.
func processesOf(run runSpec, shim identity) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	session, err := sessionOf(shim)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		stat, err := readStat(pid)
		if isGone(err) || (err == nil && stat.dead()) {
			continue
		}
		if err != nil {
			return nil, err
		}
		inSession := session != 0 && stat.session == session && stat.started >= shim.Started
		if inSession || carries(pid, run) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// sessionOf gives the session that the shim led, or 0 when there can be none of it: after a reboot, or
// when a stranger has its pid now (a pid is not given away while a session of that number has members).
func sessionOf(shim identity) (int, error) {
	if shim.Pid == 0 || shim.Boot != bootID() {
		return 0, nil
	}
	stat, err := readStat(shim.Pid)
	if err != nil && !isGone(err) {
		return 0, err
	}
	if err == nil && stat.started != shim.Started {
		return 0, nil
	}
	return shim.Pid, nil
}

// carries tells whether a process has the attempt in its environment. Processes of other users cannot be
// read, and cannot be ours.
func carries(pid int, run runSpec) bool {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return false
	}
	id, root := false, false
	for variable := range strings.SplitSeq(string(raw), "\x00") {
		id = id || variable == envSession+"="+run.ID
		root = root || variable == envRoot+"="+run.Root
	}
	return id && root
}
