package archive

import (
	"encoding/xml"
	"net/http"
	"time"
)

// The VOSI resources (VOSI 1.1): what the service is, and which tables it has.

const about = "A demonstration archive: the content is made up or a small excerpt, and serves Beampipe's demonstration and tests."

// serveXML answers with a document.
func serveXML(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "text/xml")
	raw, err := xml.MarshalIndent(document, "", " ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(append([]byte(xml.Header), raw...)) // an error here: the client has gone
}

type availability struct {
	XMLName   xml.Name `xml:"http://www.ivoa.net/xml/VOSIAvailability/v1.0 availability"`
	Available bool     `xml:"available"`
	UpSince   string   `xml:"upSince"`
	Note      string   `xml:"note"`
}

// serveAvailability says that the service is up, if its files can be read.
func (a *Archive) serveAvailability(w http.ResponseWriter, r *http.Request) {
	doc := availability{Available: true, UpSince: a.opened.UTC().Format(time.RFC3339), Note: about}
	if err := a.read.PingContext(r.Context()); err != nil {
		doc.Available, doc.Note = false, err.Error()
	}
	serveXML(w, doc)
}

type tableSet struct {
	XMLName xml.Name `xml:"vosi:tableset"`
	VOSI    string   `xml:"xmlns:vosi,attr"`
	XSI     string   `xml:"xmlns:xsi,attr"`
	VS      string   `xml:"xmlns:vs,attr"`
	Schemas []schemaDoc
}

type schemaDoc struct {
	XMLName xml.Name `xml:"schema"`
	Name    string   `xml:"name"`
	Table   tableDoc `xml:"table"`
}

type tableDoc struct {
	Name        string      `xml:"name"`
	Description string      `xml:"description"`
	Columns     []columnDoc `xml:"column"`
}

type columnDoc struct {
	Name        string  `xml:"name"`
	Description string  `xml:"description"`
	Unit        string  `xml:"unit,omitempty"`
	UCD         string  `xml:"ucd,omitempty"`
	DataType    dataDoc `xml:"dataType"`
}

type dataDoc struct {
	Type      string `xml:"xsi:type,attr"`
	Arraysize string `xml:"arraysize,attr,omitempty"`
	Name      string `xml:",chardata"`
}

// serveTables lists the tables and their columns.
func (a *Archive) serveTables(w http.ResponseWriter, _ *http.Request) {
	doc := tableSet{VOSI: "http://www.ivoa.net/xml/VOSITables/v1.0", XSI: instanceSpace, VS: "http://www.ivoa.net/xml/VODataService/v1.1"}
	for _, t := range tables {
		schema := t.schema
		if schema == "" {
			schema = "VIII/73"
		}
		described := tableDoc{Name: t.fullName(), Description: t.about}
		for _, c := range t.columns {
			typed := votableTypes[c.declared]
			described.Columns = append(described.Columns, columnDoc{
				Name: c.name, Description: c.about, Unit: c.unit, UCD: c.ucd,
				DataType: dataDoc{Type: "vs:VOTableType", Arraysize: typed.arraysize, Name: typed.datatype},
			})
		}
		doc.Schemas = append(doc.Schemas, schemaDoc{Name: schema, Table: described})
	}
	serveXML(w, doc)
}
