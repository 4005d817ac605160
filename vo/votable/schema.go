package votable

import (
	"regexp"
	"slices"
	"strings"
)

// element names and what the schema of VOTable 1.5 says of each, with the version that brought a part
// where it was not there from the start.

// rule is what an element may have.
type rule struct {
	since    string
	attrs    []attrRule
	children []childRule
	text     bool // text, and no elements
	any      bool // anything at all
}

type attrRule struct {
	name, since string
	required    bool
}

// childRule is an element inside another. Elements of a higher rank stand behind those of a lower one.
type childRule struct {
	name string
	rank int
	once bool
}

// schema is written as: attributes, required ones with "!"; children by rank, with "?" where there is at
// most one; "@1.2" is the version that brought it.
var schema = map[string]*rule{
	"VOTABLE":     newRule("", "ID version", "DESCRIPTION?", "DEFINITIONS?", "COOSYS TIMESYS GROUP PARAM INFO", "RESOURCE", "INFO"),
	"DEFINITIONS": newRule("", "", "COOSYS TIMESYS PARAM"),
	"RESOURCE":    newRule("", "name ID utype@1.1 type", "DESCRIPTION?", "INFO", "COOSYS TIMESYS GROUP PARAM", "LINK TABLE RESOURCE INFO"),
	"TABLE":       newRule("", "ID name ref ucd utype@1.1 nrows@1.1", "DESCRIPTION?", "INFO", "FIELD PARAM GROUP", "LINK", "DATA?", "INFO"),
	"FIELD":       newRule("", "ID unit datatype! precision width xtype@1.2 ref name! ucd utype@1.1 arraysize type", "DESCRIPTION?", "VALUES", "LINK"),
	"PARAM":       newRule("", "ID unit datatype! precision width xtype@1.2 ref name! ucd utype@1.1 arraysize type value!", "DESCRIPTION?", "VALUES", "LINK"),
	"GROUP":       newRule("1.1", "ID name ref ucd utype", "DESCRIPTION?", "FIELDref PARAMref PARAM GROUP"),
	"FIELDref":    newRule("1.1", "ref! ucd@1.2 utype@1.2"),
	"PARAMref":    newRule("1.1", "ref! ucd@1.2 utype@1.2"),
	"VALUES":      newRule("", "ID type null ref invalid", "MIN?", "MAX?", "OPTION"),
	"MIN":         newRule("", "value! inclusive"),
	"MAX":         newRule("", "value! inclusive"),
	"OPTION":      newRule("", "name value!", "OPTION"),
	"LINK":        newRule("", "ID content-role content-type title value href gref action"),
	"INFO":        newTextRule("", "ID name! value! unit@1.2 xtype@1.2 ref@1.2 ucd@1.2 utype@1.2"),
	"COOSYS":      newTextRule("", "ID! equinox epoch system refposition@1.5"),
	"TIMESYS":     newTextRule("1.4", "ID! timeorigin timescale! refposition!"),
	"DATA":        newRule("", "", "TABLEDATA? BINARY? BINARY2? FITS?", "INFO"),
	"TABLEDATA":   newRule("", "", "TR"),
	"TR":          newRule("", "ID", "TD"),
	"TD":          newTextRule("", "encoding"),
	"BINARY":      newRule("", "", "STREAM?"),
	"BINARY2":     newRule("1.3", "", "STREAM?"),
	"FITS":        newRule("", "extnum", "STREAM?"),
	"STREAM":      newTextRule("", "type href actuate encoding expires rights"),
	"DESCRIPTION": {any: true, text: true},
}

func newRule(since, attrs string, ranks ...string) *rule {
	r := &rule{since: since}
	for _, word := range strings.Fields(attrs) {
		name, version, _ := strings.Cut(word, "@")
		name, required := strings.CutSuffix(name, "!")
		r.attrs = append(r.attrs, attrRule{name, version, required})
	}
	for rank, words := range ranks {
		for _, word := range strings.Fields(words) {
			name, once := strings.CutSuffix(word, "?")
			r.children = append(r.children, childRule{name, rank, once})
		}
	}
	return r
}

func newTextRule(since, attrs string) *rule {
	r := newRule(since, attrs)
	r.text = true
	return r
}

// child gives the rule for an element inside r, when the one before it had a rank. known is false where
// it may not be there at all; a rank below is one that comes too late.
func (r *rule) child(name string, rank int) (c childRule, known bool) {
	for _, c = range r.children {
		if c.name == name && c.rank >= rank {
			return c, true
		}
	}
	for _, c = range r.children {
		if c.name == name {
			return c, true
		}
	}
	return childRule{}, false
}

// enumerations are the values of attributes that have a closed list.
var enumerations = map[string][]string{
	"RESOURCE type":  {"results", "meta"},
	"FIELD type":     {"hidden", "no_query", "trigger", "location"},
	"PARAM type":     {"hidden", "no_query", "trigger", "location"},
	"VALUES type":    {"legal", "actual"},
	"VALUES invalid": {"yes", "no"},
	"MIN inclusive":  {"yes", "no"},
	"MAX inclusive":  {"yes", "no"},
	"STREAM type":    {"locator", "other"},
	"STREAM actuate": {"onLoad", "onRequest", "other", "none"},
	"STREAM encoding": {
		"gzip", "base64", "dynamic", "none",
	},
	"TD encoding": {"gzip", "base64", "dynamic", "none"},
}

// patterns are the forms of attributes that have one, by name, with what is said where it is not kept.
var patterns = map[string]struct {
	form *regexp.Regexp
	want string
}{
	"ID":        {regexp.MustCompile(`^[\pL_][\pL\pN\pM._\-]*$`), "an ID begins with a letter or _, and goes on with letters, digits, . - and _"},
	"precision": {regexp.MustCompile(`^[EF]?[0-9]+$`), "expected digits, with E or F before them"},
	"width":     {regexp.MustCompile(`^\+?0*[1-9][0-9]*$`), "expected a positive whole number"},
	"extnum":    {regexp.MustCompile(`^\+?0*[1-9][0-9]*$`), "expected a positive whole number"},
	"nrows":     {regexp.MustCompile(`^\+?[0-9]+$`), "expected a whole number"},
	"ucd":       {regexp.MustCompile(`^[A-Za-z0-9_.:;\-]*$`), "a UCD has letters, digits and . _ ; : -"},
	"equinox":   {regexp.MustCompile(`^[JB]?[0-9]+([.][0-9]*)?$`), "expected a year such as J2000"},
	"epoch":     {regexp.MustCompile(`^[JB]?[0-9]+([.][0-9]*)?$`), "expected a year such as J2015.5"},
	"timeorigin": {
		regexp.MustCompile(`^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|(JD|MJD)-origin)$`),
		"expected a Julian date, JD-origin or MJD-origin",
	},
}

// versions are the recommendations, with the namespace that a document of each has.
var versions = []struct{ version, namespace string }{
	{"1.0", ""},
	{"1.1", votableNamespace + "/v1.1"},
	{"1.2", votableNamespace + "/v1.2"},
	{"1.3", votableNamespace + "/v1.3"},
	{"1.4", votableNamespace + "/v1.3"},
	{"1.5", votableNamespace + "/v1.3"},
}

const newestVersion = "1.5"

func namespaceOf(version string) (string, bool) {
	i := slices.IndexFunc(versions, func(v struct{ version, namespace string }) bool { return v.version == version })
	if i < 0 {
		return "", false
	}
	return versions[i].namespace, true
}
