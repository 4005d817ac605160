package tap

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"beampipe/fault"
)

// SchemaTable is a table that an archive says it has.
type SchemaTable struct {
	Schema      string         `json:"schema"`
	Name        string         `json:"name"`           // as a query names it, quotes included where the archive gives them
	Type        string         `json:"type,omitempty"` // "table", "view"…
	Description string         `json:"description,omitempty"`
	Columns     []SchemaColumn `json:"columns"` // empty where the archive tells them only table by table
}

// SchemaColumn is a column of a SchemaTable.
type SchemaColumn struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Unit        string   `json:"unit,omitempty"`
	UCD         string   `json:"ucd,omitempty"`
	Utype       string   `json:"utype,omitempty"`
	Datatype    string   `json:"datatype,omitempty"` // of VOTable or of TAP, as the archive says
	Arraysize   string   `json:"arraysize,omitempty"`
	Flags       []string `json:"flags,omitempty"` // "indexed", "primary", "nullable"
}

// maxTablesBytes bounds a tables document: large archives have tens of thousands of tables.
const maxTablesBytes = 64 << 20

// Tables gives the tables of the archive in the order of its tables document (VOSI 1.1), which is
// read at most once in DocumentFresh. The list is shared: do not change it. Errors are
// fault.Unavailable.
func (c *Client) Tables(ctx context.Context) ([]SchemaTable, error) {
	return c.tables.get(ctx, c.options.Now, c.readTables)
}

func (c *Client) readTables(ctx context.Context) ([]SchemaTable, error) {
	address := c.base + "/tables"
	raw, code, err := c.fetch(ctx, address, maxTablesBytes)
	if err != nil {
		return nil, err
	}
	if code == http.StatusNotFound {
		// Only the capabilities must be beside the service.
		if address, err = c.tablesElsewhere(ctx); err != nil {
			return nil, err
		}
		if raw, code, err = c.fetch(ctx, address, maxTablesBytes); err != nil {
			return nil, err
		}
	}
	what := fmt.Sprintf("ask %s (%s)", c.Name(), address)
	if code != http.StatusOK {
		return nil, fault.New(fault.Unavailable, fmt.Sprintf("%s: HTTP %d: %s", what, code, firstWords(raw)), c.tryAddress())
	}
	tables, err := readTables(bytes.NewReader(raw))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s: not a tables document; the answer begins: %s", what, firstWords(raw)), c.tryAddress())
	}
	return tables, nil
}

// tablesElsewhere gives the address that the capabilities name.
func (c *Client) tablesElsewhere(ctx context.Context) (string, error) {
	const none = "the service does not list its tables"
	raw, err := c.Capabilities(ctx)
	if err != nil {
		return "", err
	}
	doc, err := readCapabilities(raw)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, fmt.Sprintf("ask %s (%s/capabilities)", c.Name(), c.base), c.tryAddress())
	}
	address := doc.accessURL(tablesStandard)
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || strings.HasPrefix(c.base, "https:") && u.Scheme != "https" {
		return "", fault.New(fault.Unavailable, fmt.Sprintf("ask %s (%s/tables): %s", c.Name(), c.base, none), "ask its TAP_SCHEMA with a query")
	}
	return u.String(), nil
}

// readTables reads a tables document table by table.
func readTables(r io.Reader) ([]SchemaTable, error) {
	d := xml.NewDecoder(r)
	tables := []SchemaTable{}
	schema, root := "", false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root {
			return tables, nil
		}
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch name := start.Name.Local; {
		case !root && name != "tableset" && name != "table":
			return nil, fmt.Errorf("its root element is %q", name)
		case name == "tableset":
		case name == "schema":
			schema = ""
		case name == "name":
			if err := d.DecodeElement(&schema, &start); err != nil {
				return nil, err
			}
			schema = strings.TrimSpace(schema)
		case name == "table":
			var doc tableDoc
			if err := d.DecodeElement(&doc, &start); err != nil {
				return nil, err
			}
			tables = append(tables, doc.table(schema))
		default:
			if err := d.Skip(); err != nil {
				return nil, err
			}
		}
		root = true
	}
}

type tableDoc struct {
	Type        string `xml:"type,attr"`
	Name        string `xml:"name"`
	Title       string `xml:"title"`
	Description string `xml:"description"`
	Columns     []struct {
		Name        string `xml:"name"`
		Description string `xml:"description"`
		Unit        string `xml:"unit"`
		UCD         string `xml:"ucd"`
		Utype       string `xml:"utype"`
		DataType    struct {
			Arraysize string `xml:"arraysize,attr"`
			Name      string `xml:",chardata"`
		} `xml:"dataType"`
		Flags []string `xml:"flag"`
	} `xml:"column"`
}

func (d *tableDoc) table(schema string) SchemaTable {
	t := SchemaTable{Schema: schema, Name: strings.TrimSpace(d.Name), Type: strings.TrimSpace(d.Type), Description: flat(d.Description), Columns: []SchemaColumn{}}
	if t.Description == "" {
		t.Description = flat(d.Title)
	}
	for _, c := range d.Columns {
		t.Columns = append(t.Columns, SchemaColumn{
			Name: strings.TrimSpace(c.Name), Description: flat(c.Description), Unit: strings.TrimSpace(c.Unit), UCD: strings.TrimSpace(c.UCD),
			Utype: strings.TrimSpace(c.Utype), Datatype: strings.TrimSpace(c.DataType.Name), Arraysize: strings.TrimSpace(c.DataType.Arraysize), Flags: c.Flags,
		})
	}
	return t
}

// flat makes white space single blanks.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }
