package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// machineKey is mixed into the machine's id, which is not to be shown as it is (machine-id(5)).
const machineKey = "beampipe ledger"

// MachineID names this machine: /etc/machine-id digested with our own key, else its host name. Callers
// ask BEAMPIPE_HOST_ID first: a container has neither for long, and machines that share a ledger on
// purpose are given one id.
func MachineID() string {
	raw, err := os.ReadFile("/etc/machine-id")
	if id := strings.TrimSpace(string(raw)); err == nil && len(id) == 32 {
		mac := hmac.New(sha256.New, []byte(machineKey))
		mac.Write([]byte(id))
		return hex.EncodeToString(mac.Sum(nil)[:16])
	}
	return "host:" + hostName()
}

// hostName is "" where the system has no name: nothing is decided by it.
func hostName() string {
	name, _ := os.Hostname()
	return name
}

// processEnded stands for a process that has ended and was not waited for yet.
const processEnded = "ended"

// process names a process for good: a pid is given away again, and means nothing on another machine or
// in another container. It is "" where /proc does not tell.
func process(pid int) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	// The name in parentheses may hold anything; the state follows it, the start is the 22nd field.
	after := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(after) < 20 {
		return ""
	}
	if after[0] == "Z" || after[0] == "X" {
		return processEnded
	}
	return fmt.Sprintf("%s %s %s", strings.TrimSpace(string(boot)), space, after[19])
}

// processGone tells that a process of this machine has surely ended. Of one of another machine, another
// boot or another container nothing is known here.
func processGone(pid int, name string) bool {
	mine := process(os.Getpid())
	boot, _, ok := cutLast(mine, " ")
	theirs, _, told := cutLast(name, " ")
	if !ok || !told || boot != theirs {
		return false
	}
	now := process(pid)
	if now == "" { // /proc may hide the processes of other users
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}
	return now != name
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
