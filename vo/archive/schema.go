package archive

import (
	"context"
	"fmt"
	"strings"
)

// table describes a table for SQLite and for the /tables resource.
type table struct {
	schema  string // "" is main
	name    string
	about   string
	columns []column
	key     []string // rows alike in these replace each other; also the index that LIKE 'X%' uses
	indexes []string // further indexed columns
}

// column has one of the declared types that votableTypes knows.
type column struct{ name, declared, unit, ucd, about string }

// votableTypes gives datatype and arraysize for a declared type of SQLite.
var votableTypes = map[string]struct{ datatype, arraysize string }{
	"TEXT":    {"char", "*"},
	"INTEGER": {"int", ""},
	"BIGINT":  {"long", ""},
	"DOUBLE":  {"double", ""},
}

var obscore = table{
	schema: "ivoa", name: "obscore",
	about: "Observations (ObsCore 1.1), with the columns that CASDA adds.",
	key:   []string{"filename", "obs_id", "obs_publisher_did"}, indexes: []string{"target_name"},
	columns: []column{
		{"dataproduct_type", "TEXT", "", "meta.code.class", "Kind of data product"},
		{"calib_level", "INTEGER", "", "meta.code;obs.calib", "Calibration level, 0 to 4"},
		{"obs_collection", "TEXT", "", "meta.id", "Data collection"},
		{"obs_id", "TEXT", "", "meta.id", "Observation"},
		{"obs_publisher_did", "TEXT", "", "meta.ref.ivoid", "Publisher's dataset identifier"},
		{"access_url", "TEXT", "", "meta.ref.url", "Where the data are"},
		{"access_format", "TEXT", "", "meta.code.mime", "Media type of the data"},
		{"access_estsize", "BIGINT", "kbyte", "phys.size;meta.file", "Estimated size of the data"},
		{"target_name", "TEXT", "", "meta.id;src", "Object observed"},
		{"s_ra", "DOUBLE", "deg", "pos.eq.ra", "Right ascension, ICRS"},
		{"s_dec", "DOUBLE", "deg", "pos.eq.dec", "Declination, ICRS"},
		{"s_fov", "DOUBLE", "deg", "phys.angSize;instr.fov", "Field of view"},
		{"s_region", "TEXT", "", "pos.outline;obs.field", "Region covered"},
		{"s_resolution", "DOUBLE", "arcsec", "pos.angResolution", "Spatial resolution"},
		{"t_min", "DOUBLE", "d", "time.start;obs.exposure", "Start, MJD"},
		{"t_max", "DOUBLE", "d", "time.end;obs.exposure", "End, MJD"},
		{"t_exptime", "DOUBLE", "s", "time.duration;obs.exposure", "Exposure"},
		{"t_resolution", "DOUBLE", "s", "time.resolution", "Time resolution"},
		{"em_min", "DOUBLE", "m", "em.wl;stat.min", "Shortest wavelength"},
		{"em_max", "DOUBLE", "m", "em.wl;stat.max", "Longest wavelength"},
		{"em_res_power", "DOUBLE", "", "spect.resolution", "Spectral resolving power"},
		{"o_ucd", "TEXT", "", "meta.ucd", "UCD of the observable"},
		{"pol_states", "TEXT", "", "meta.code;phys.polarization", "Polarization states"},
		{"facility_name", "TEXT", "", "meta.id;instr.tel", "Telescope"},
		{"instrument_name", "TEXT", "", "meta.id;instr", "Instrument"},
		{"filename", "TEXT", "", "meta.id;meta.file", "Name of the file"},
		{"filesize", "BIGINT", "kbyte", "phys.size;meta.file", "Size of the file"},
		{"quality_level", "TEXT", "", "meta.code.qual", "Quality given at validation"},
		{"released_date", "TEXT", "", "time.release", "Release date, ISO 8601"},
	},
}

var evaluationFile = table{
	schema: "casda", name: "observation_evaluation_file",
	about: "Evaluation files of observations.",
	key:   []string{"sbid", "filename"}, indexes: []string{"filename"},
	columns: []column{
		{"sbid", "TEXT", "", "meta.id", "Scheduling block"},
		{"filename", "TEXT", "", "meta.id;meta.file", "Name of the file"},
		{"format", "TEXT", "", "meta.code", "Kind of file"},
		{"filesize", "BIGINT", "kbyte", "phys.size;meta.file", "Size of the file"},
		{"access_url", "TEXT", "", "meta.ref.url", "Where the file is"},
	},
}

var hicat = table{
	name:  "VIII/73/hicat",
	about: "HIPASS catalogue, the columns in use.",
	key:   []string{"HIPASS"},
	columns: []column{
		{"HIPASS", "TEXT", "", "meta.id;meta.main", "Source name, without HIPASS in front"},
		{"RAJ2000", "DOUBLE", "deg", "pos.eq.ra;meta.main", "Right ascension, J2000"},
		{"DEJ2000", "DOUBLE", "deg", "pos.eq.dec;meta.main", "Declination, J2000"},
		{"RV50max", "DOUBLE", "km/s", "spect.dopplerVeloc", "Upper velocity at half of the peak"},
		{"RV50min", "DOUBLE", "km/s", "spect.dopplerVeloc", "Lower velocity at half of the peak"},
		{"RVmom", "DOUBLE", "km/s", "spect.dopplerVeloc", "Flux-weighted mean velocity"},
	},
}

var tables = []table{obscore, evaluationFile, hicat}

// fullName is the table's name in SQL and in ADQL.
func (t table) fullName() string {
	if t.schema == "" {
		return quoted(t.name)
	}
	return t.schema + "." + t.name
}

// has reports whether the table has a column of exactly this name.
func (t table) has(name string) bool {
	for _, c := range t.columns {
		if c.name == name {
			return true
		}
	}
	return false
}

func (t table) ddl() []string {
	schema := t.schema
	if schema == "" {
		schema = "main"
	}
	defs := make([]string, len(t.columns))
	for i, c := range t.columns {
		defs[i] = quoted(c.name) + " " + c.declared
	}
	statements := []string{
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s.%s (%s)", schema, quoted(t.name), strings.Join(defs, ", ")),
		fmt.Sprintf("CREATE UNIQUE INDEX IF NOT EXISTS %s.%s ON %s (%s)", schema, quoted(t.name+" key"), quoted(t.name), strings.Join(t.key, ", ")),
	}
	for _, name := range t.indexes {
		statements = append(statements, fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s.%s ON %s (%s)", schema, quoted(t.name+" "+name), quoted(t.name), name))
	}
	return statements
}

// insert is the statement that adds or replaces a row.
func (t table) insert() string {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ")
	return fmt.Sprintf("INSERT OR REPLACE INTO %s VALUES (%s)", t.fullName(), marks)
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// create makes the tables that are missing. The data can be made again, so no commit waits for the
// disk.
func (a *Archive) create(ctx context.Context) error {
	schemas := []string{"main"}
	for _, s := range schemaFiles {
		schemas = append(schemas, s.schema)
	}
	for _, schema := range schemas {
		for _, pragma := range []string{"journal_mode = WAL", "synchronous = NORMAL"} {
			if _, err := a.write.ExecContext(ctx, "PRAGMA "+schema+"."+pragma); err != nil {
				return fmt.Errorf("set %s of %s: %w", pragma, schema, err)
			}
		}
	}
	for _, t := range tables {
		for _, statement := range t.ddl() {
			if _, err := a.write.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("create %s: %w", t.fullName(), err)
			}
		}
	}
	return nil
}
