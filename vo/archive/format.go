package archive

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"beampipe/vo/votable"
)

// format is a way to write an answer.
type format struct {
	mime    string
	aliases []string // in lower case
	ivoid   string   // of TAPRegExt 1.0 section 2.4
	csv     bool
	form    votable.Serialization
}

// formats are those that RESPONSEFORMAT and FORMAT may name; the first is the default.
var formats = []format{
	{mime: votableFormat, aliases: []string{"votable/td", "votable", "application/x-votable+xml", "text/xml"}, ivoid: "td", form: votable.TableData},
	{mime: "application/x-votable+xml;serialization=BINARY", aliases: []string{"votable/b"}, ivoid: "binary", form: votable.Binary},
	{mime: "application/x-votable+xml;serialization=BINARY2", aliases: []string{"votable/b2"}, ivoid: "binary2", form: votable.Binary2},
	{mime: "text/csv;header=present", aliases: []string{"csv", "text/csv"}, csv: true},
}

const votableFormat = "application/x-votable+xml;serialization=TABLEDATA"

// formatOf finds the format that a request names: RESPONSEFORMAT of TAP 1.1, else FORMAT of 1.0.
func formatOf(p parameters) (format, error) {
	for _, name := range []string{"RESPONSEFORMAT", "FORMAT"} {
		asked := p.get(name)
		if asked == "" {
			continue
		}
		lower := strings.ToLower(strings.ReplaceAll(asked, " ", ""))
		for _, f := range formats {
			if lower == strings.ToLower(f.mime) || slices.Contains(f.aliases, lower) {
				return f, nil
			}
		}
		return format{}, refuse("%s %q is not supported; expected votable/td, votable/b, votable/b2 or csv", name, asked)
	}
	return formats[0], nil
}

// tableWriter writes rows, and at the end how the query ended.
type tableWriter interface {
	WriteText(row []string) error
	Close(status, message string) error
}

func (f format) writer(w io.Writer, fields []votable.Field) tableWriter {
	if f.csv {
		return &csvWriter{out: csv.NewWriter(w), raw: w, fields: fields}
	}
	if f.form == votable.Binary {
		fields = withNulls(fields)
	}
	return votable.NewBinaryWriter(w, fields, f.form)
}

// withNulls declares what stands for a null integer, which BINARY has no other way to say.
func withNulls(fields []votable.Field) []votable.Field {
	fields = slices.Clone(fields)
	for i := range fields {
		switch fields[i].Datatype {
		case "int":
			fields[i].Null = fmt.Sprint(math.MinInt32)
		case "long":
			fields[i].Null = fmt.Sprint(math.MinInt64)
		}
	}
	return fields
}

// csvWriter writes CSV with a header line. It cannot say how a query ended.
type csvWriter struct {
	out    *csv.Writer
	raw    io.Writer // under out
	fields []votable.Field
	begun  bool
}

func (c *csvWriter) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	names := make([]string, len(c.fields))
	for i, f := range c.fields {
		names[i] = f.Name
	}
	return c.out.Write(names)
}

func (c *csvWriter) WriteText(row []string) error {
	if err := c.begin(); err != nil {
		return err
	}
	if len(row) == 1 && row[0] == "" { // an empty line is no row
		c.out.Flush()
		_, err := io.WriteString(c.raw, "\"\"\n")
		return err
	}
	return c.out.Write(row)
}

// Close ends the rows. A status that is not OK is an error where a whole answer would be taken for
// one: for CSV a failure can only be shown by a connection that breaks.
func (c *csvWriter) Close(status, message string) error {
	if err := c.begin(); err != nil {
		return err
	}
	c.out.Flush()
	if status == votable.StatusFailed {
		return fmt.Errorf("the query failed after rows were written: %s", message)
	}
	return c.out.Error()
}
