package archive

import (
	"encoding/xml"
	"net/http"
	"strconv"
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

type capabilities struct {
	XMLName    xml.Name `xml:"http://www.ivoa.net/xml/VOSICapabilities/v1.0 capabilities"`
	VR         string   `xml:"xmlns:vr,attr"`
	VS         string   `xml:"xmlns:vs,attr"`
	TR         string   `xml:"xmlns:tr,attr"`
	XSI        string   `xml:"xmlns:xsi,attr"`
	Capability []capability
}

type capability struct {
	XMLName     xml.Name `xml:"capability"`
	StandardID  string   `xml:"standardID,attr"`
	Type        string   `xml:"xsi:type,attr,omitempty"`
	Description string   `xml:"description,omitempty"`
	Interface   service  `xml:"interface"`
	Language    *language
	Output      *output
	Limit       *limit
}

type service struct {
	Role    string `xml:"role,attr,omitempty"`
	Version string `xml:"version,attr,omitempty"`
	Type    string `xml:"xsi:type,attr"`
	Access  access `xml:"accessURL"`
}

type access struct {
	Use string `xml:"use,attr"`
	URL string `xml:",chardata"`
}

type language struct {
	XMLName     xml.Name `xml:"language"`
	Name        string   `xml:"name"`
	Version     string   `xml:"version"`
	Description string   `xml:"description"`
}

type output struct {
	XMLName xml.Name `xml:"outputFormat"`
	MIME    string   `xml:"mime"`
	Alias   string   `xml:"alias"`
}

type limit struct {
	XMLName xml.Name `xml:"outputLimit"`
	Default rowLimit `xml:"default"`
	Hard    rowLimit `xml:"hard"`
}

type rowLimit struct {
	Unit string `xml:"unit,attr"`
	Rows string `xml:",chardata"`
}

// serveCapabilities says what the service can do (TAPRegExt 1.0).
func (a *Archive) serveCapabilities(w http.ResponseWriter, r *http.Request) {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	base := scheme + r.Host + "/tap"
	rows := rowLimit{Unit: "row", Rows: strconv.Itoa(a.options.MaxRec)}
	doc := capabilities{
		VR:  "http://www.ivoa.net/xml/VOResource/v1.0",
		VS:  "http://www.ivoa.net/xml/VODataService/v1.1",
		TR:  "http://www.ivoa.net/xml/TAPRegExt/v1.0",
		XSI: "http://www.w3.org/2001/XMLSchema-instance",
		Capability: []capability{{
			StandardID: "ivo://ivoa.net/std/TAP", Type: "tr:TableAccess", Description: about,
			Interface: service{Role: "std", Version: "1.1", Type: "vs:ParamHTTP", Access: access{"base", base}},
			Language:  &language{Name: "ADQL", Version: "2.0", Description: "One SELECT, without geometry; synchronous only."},
			Output:    &output{MIME: votableFormat, Alias: "votable/td"},
			Limit:     &limit{Default: rows, Hard: rows},
		}},
	}
	for _, resource := range []string{"capabilities", "availability", "tables"} {
		doc.Capability = append(doc.Capability, capability{
			StandardID: "ivo://ivoa.net/std/VOSI#" + resource,
			Interface:  service{Type: "vs:ParamHTTP", Access: access{"full", base + "/" + resource}},
		})
	}
	serveXML(w, doc)
}

type tableSet struct {
	XMLName xml.Name `xml:"http://www.ivoa.net/xml/VOSITables/v1.0 tableset"`
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
	doc := tableSet{XSI: "http://www.w3.org/2001/XMLSchema-instance", VS: "http://www.ivoa.net/xml/VODataService/v1.1"}
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
