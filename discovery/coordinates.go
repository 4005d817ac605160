package discovery

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
)

// coordinates reads a source's position and velocity from the first row of the query that the
// project declares. What the row does not have is left out.
func (m mapper) coordinates(a answer) (map[string]any, error) {
	c := m.project.Discovery.PrepareMetadata.Coordinates
	if c == nil {
		return nil, nil
	}
	t, ok := a.query(c.Query)
	if !ok || len(t.Rows) == 0 {
		return nil, nil
	}
	text := func(column string) string {
		s, _ := configs.Text(m.cell(t, t.Rows[0], column))
		return s
	}
	fields := map[string]any{}
	for _, part := range []struct {
		column, target string
		format         func(float64) (string, error)
	}{{c.RA, c.Targets.RA, formatRA}, {c.Dec, c.Targets.Dec, formatDec}} {
		value := text(part.column)
		if value == "" || part.target == "" {
			continue
		}
		degrees, err := strconv.ParseFloat(value, 64)
		if err == nil && c.RAFormat != configs.FormatText { // else it is sexagesimal already
			if value, err = part.format(degrees); err != nil {
				return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("read column %q of query %q for %s", part.column, c.Query, m.identifier),
					"correct prepare_metadata.coordinates, or tell the archive about the record")
			}
		}
		fields[part.target] = value
	}
	for _, column := range c.Velocity {
		if value := text(column); value != "" && c.Targets.Velocity != "" {
			fields[c.Targets.Velocity] = value
			break
		}
	}
	return fields, nil
}

// formatRA writes a right ascension in degrees as 13h13m34.1s: seconds to two decimals, no zeros in
// front or behind.
func formatRA(degrees float64) (string, error) {
	if math.IsNaN(degrees) || degrees < 0 || degrees >= 360 {
		return "", fmt.Errorf("%v is no right ascension, expected degrees from 0 to below 360", degrees)
	}
	const day = 24 * 3600 * 100
	hundredths := int(math.Round(degrees/15*3600*100)) % day
	h, m, s := sexagesimal(hundredths)
	return fmt.Sprintf("%dh%dm%ss", h, m, s), nil
}

// formatDec writes a declination in degrees as -15.27.32. The sign stays between -1 and 0 degrees.
func formatDec(degrees float64) (string, error) {
	if math.IsNaN(degrees) || math.Abs(degrees) > 90 {
		return "", fmt.Errorf("%v is no declination, expected degrees from -90 to 90", degrees)
	}
	hundredths := int(math.Round(math.Abs(degrees) * 3600 * 100))
	sign := ""
	if degrees < 0 && hundredths > 0 {
		sign = "-"
	}
	d, m, s := sexagesimal(hundredths)
	return fmt.Sprintf("%s%d.%d.%s", sign, d, m, s), nil
}

// sexagesimal splits hundredths of seconds, so that 60 seconds cannot appear.
func sexagesimal(hundredths int) (whole, minutes int, seconds string) {
	s := hundredths % 6000
	seconds = strconv.Itoa(s / 100)
	if s%100 != 0 {
		seconds += strings.TrimRight(fmt.Sprintf(".%02d", s%100), "0")
	}
	return hundredths / 360000, hundredths / 6000 % 60, seconds
}
