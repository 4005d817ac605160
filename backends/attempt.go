package backends

import (
	"fmt"
	"regexp"

	"beampipe/fault"
)

// maxAttemptID is the length of the longest id of an attempt; it becomes a file name and a job name.
const maxAttemptID = 100

var attemptID = regexp.MustCompile(`^bp-[0-9A-Za-z][0-9A-Za-z-]*-[1-9][0-9]*$`)

// AttemptID gives the id under which an attempt at an execution goes by outside: bp-<uuid>-<attempt>.
// Attempts count from 1.
func AttemptID(execution string, attempt int) string {
	return fmt.Sprintf("bp-%s-%d", execution, attempt)
}

// CheckAttemptID gives an Invalid error for anything that AttemptID cannot have made. What passes is
// safe as the name of a file, a job and a session.
func CheckAttemptID(id string) error {
	if len(id) > maxAttemptID || !attemptID.MatchString(id) {
		return fault.New(fault.Invalid, fmt.Sprintf("the attempt id %.120q is not of the form bp-<execution uuid>-<attempt>", id), "")
	}
	return nil
}
