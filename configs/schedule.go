package configs

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"beampipe/fault"
)

// maxSchedule bounds a cron expression.
const maxSchedule = 256

// ParseSchedule reads a cron expression of five fields, a descriptor (@hourly, @every 5m), either
// with CRON_TZ=Zone before it; UTC is what a schedule without a zone means to the daemon. One that is
// malformed or never comes is fault.Invalid.
func ParseSchedule(expression string) (schedule cron.Schedule, err error) {
	const try = `give five fields ("*/5 * * * *") or "@every 5m"`
	what := fmt.Sprintf("read schedule %.60q", expression)
	defer func() {
		if p := recover(); p != nil { // the parser indexes past a bare "TZ="
			schedule, err = nil, fault.New(fault.Invalid, what+": not a cron expression", try)
		}
	}()
	text := strings.TrimSpace(expression)
	if len(text) > maxSchedule {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: longer than %d bytes", what, maxSchedule), try)
	}
	schedule, err = cron.ParseStandard(text)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, try)
	}
	if schedule.Next(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fault.New(fault.Invalid, what+": no such time comes within five years", try)
	}
	return schedule, nil
}
