package archive

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

// capabilities is the document. Its elements are in no namespace, but for the first.
type capabilities struct {
	XMLName    xml.Name `xml:"vosi:capabilities"`
	VOSI       string   `xml:"xmlns:vosi,attr"`
	VR         string   `xml:"xmlns:vr,attr"`
	VS         string   `xml:"xmlns:vs,attr"`
	TR         string   `xml:"xmlns:tr,attr"`
	XSI        string   `xml:"xmlns:xsi,attr"`
	Capability []capability
}

// capability is one of them. What a TAP service says about itself is in the order of TAPRegExt 1.0
// section 2.
type capability struct {
	XMLName     xml.Name `xml:"capability"`
	StandardID  string   `xml:"standardID,attr"`
	Type        string   `xml:"xsi:type,attr,omitempty"`
	Description string   `xml:"description,omitempty"`
	Interface   service  `xml:"interface"`

	Language  *language
	Outputs   []output
	Upload    *uploadMethod
	Retention *seconds   `xml:"retentionPeriod"`
	Duration  *seconds   `xml:"executionDuration"`
	OutputMax *sizeLimit `xml:"outputLimit"`
	UploadMax *sizeLimit `xml:"uploadLimit"`
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
	XMLName     xml.Name          `xml:"language"`
	Name        string            `xml:"name"`
	Versions    []languageVersion `xml:"version"`
	Description string            `xml:"description"`
	Features    []features        `xml:"languageFeatures"`
}

type languageVersion struct {
	ID   string `xml:"ivo-id,attr"`
	Text string `xml:",chardata"`
}

type features struct {
	Type string    `xml:"type,attr"`
	List []feature `xml:"feature"`
}

type feature struct {
	Form string `xml:"form"`
}

type output struct {
	XMLName xml.Name `xml:"outputFormat"`
	ID      string   `xml:"ivo-id,attr,omitempty"`
	MIME    string   `xml:"mime"`
	Alias   []string `xml:"alias"`
}

type uploadMethod struct {
	XMLName xml.Name `xml:"uploadMethod"`
	ID      string   `xml:"ivo-id,attr"`
}

type seconds struct {
	Default int `xml:"default"`
	Hard    int `xml:"hard"`
}

type sizeLimit struct {
	Default *size `xml:"default"`
	Hard    size  `xml:"hard"`
}

type size struct {
	Unit string `xml:"unit,attr"`
	Text string `xml:",chardata"`
}

func sizeOf(unit string, n int64) size { return size{Unit: unit, Text: strconv.FormatInt(n, 10)} }

// rootOf gives the address under which the client of this request sees the service's host.
func rootOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// registryExtension is where TAPRegExt's terms are.
const registryExtension = "ivo://ivoa.net/std/TAPRegExt#"

// serveCapabilities says what the service can do.
func (a *Archive) serveCapabilities(w http.ResponseWriter, r *http.Request) {
	base := rootOf(r) + "/tap"
	doc := capabilities{
		VOSI:       "http://www.ivoa.net/xml/VOSICapabilities/v1.0",
		VR:         "http://www.ivoa.net/xml/VOResource/v1.0",
		VS:         "http://www.ivoa.net/xml/VODataService/v1.1",
		TR:         "http://www.ivoa.net/xml/TAPRegExt/v1.0",
		XSI:        instanceSpace,
		Capability: []capability{a.tapCapability(base)},
	}
	for _, resource := range []string{"capabilities", "availability", "tables"} {
		doc.Capability = append(doc.Capability, capability{
			StandardID: "ivo://ivoa.net/std/VOSI#" + resource,
			Interface:  service{Type: "vs:ParamHTTP", Access: access{"full", base + "/" + resource}},
		})
	}
	serveXML(w, doc)
}

// tapCapability tells the limits. A limit of synchronous uploads of its own is not told.
func (a *Archive) tapCapability(base string) capability {
	limits := a.options.Limits
	rows := sizeOf("row", int64(limits.OutputRows))
	c := capability{
		StandardID: "ivo://ivoa.net/std/TAP", Type: "tr:TableAccess", Description: about,
		Interface: service{Role: "std", Version: "1.1", Type: "vs:ParamHTTP", Access: access{"base", base}},
		Language:  adqlLanguage(),
		OutputMax: &sizeLimit{Default: &rows, Hard: sizeOf("row", int64(a.options.MaxRec))},
	}
	for _, f := range formats {
		out := output{MIME: f.mime, Alias: f.aliases}
		if f.ivoid != "" {
			out.ID = registryExtension + "output-votable-" + f.ivoid
		}
		c.Outputs = append(c.Outputs, out)
	}
	if !limits.NoAsync {
		c.Retention = secondsOf(limits.Retention)
		c.Duration = secondsOf(limits.ExecutionDuration)
	}
	if limits.NoUpload {
		return c
	}
	c.Upload = &uploadMethod{ID: registryExtension + "upload-inline"}
	c.UploadMax = &sizeLimit{Hard: sizeOf("byte", limits.UploadBytes)}
	if limits.UploadRows > 0 {
		c.UploadMax.Hard = sizeOf("row", int64(limits.UploadRows))
	}
	return c
}

func secondsOf(d time.Duration) *seconds {
	return &seconds{Default: int(d / time.Second), Hard: int(d / time.Second)}
}

func adqlLanguage() *language {
	return &language{
		Name: "ADQL",
		Versions: []languageVersion{
			{"ivo://ivoa.net/std/ADQL#v2.0", "2.0"},
			{"ivo://ivoa.net/std/ADQL#v2.1", "2.1"},
		},
		Description: "One SELECT, without geometry.",
		Features: []features{
			{registryExtension + "features-adql-string", []feature{{"LOWER"}, {"UPPER"}}},
			{registryExtension + "features-adql-conditional", []feature{{"COALESCE"}}},
			{registryExtension + "features-adql-sets", []feature{{"UNION"}, {"EXCEPT"}, {"INTERSECT"}}},
		},
	}
}
