// Package votable reads and writes VOTable documents (IVOA Recommendation VOTable 1.0 to 1.5), the
// tables in which archives of the Virtual Observatory answer.
//
// A [Reader] streams the rows of one table: memory is bounded by [Limits], whatever the document's
// size. It has its own small XML scanner, because a table has millions of cells, and because every
// length must have a limit before it is in memory. A [Writer] writes one table row by row. [Describe]
// tells what a document holds, [Check] what a strict reader would refuse in it. A [CSVReader] reads
// the tables of services that give nothing better.
//
// The serializations TABLEDATA, BINARY and BINARY2 are read and written. FITS and streams outside
// the document are refused by name.
package votable

// Field describes one column: the attributes of a FIELD element as the document has them (VOTable
// 1.5 section 4.1), its DESCRIPTION, and the null of its VALUES.
type Field struct {
	Name, ID     string
	Datatype     string // "boolean", "bit", "unsignedByte", "short", "int", "long", "char", "unicodeChar", "float", "double", "floatComplex", "doubleComplex"
	Arraysize    string // "" or "1" is a scalar; "3", "2x2", "*", "10*", "4x*" are arrays
	Unit, UCD    string
	Utype, Xtype string
	Ref          string
	Description  string
	Null         string // the text that stands for null, from VALUES null="…"; "" when none is declared
}

// Param is a PARAM element: a value that holds for its whole table, RESOURCE or document.
type Param struct {
	Field
	Value string // as the document has it, trimmed
}

// Info is an INFO element: what a service says about its answer.
type Info struct {
	Name, Value string
	Text        string // content, trimmed
}

// Limits bounds what one document may make a Reader hold. A zero field means its default. A
// document past a limit is refused with a *SyntaxError that names the limit.
type Limits struct {
	RowBytes  int // one row, as text or as the bytes of a stream; default 8 MiB
	CellBytes int // one cell, likewise; also how many bits an array of them may have; default 4 MiB
	AttrBytes int // attributes of one element together, and its text where kept (longer INFO and DESCRIPTION text is cut); default 1 MiB
	Depth     int // open elements; default 64
	Fields    int // columns; default 4096
}

// The defaults of Limits.
const (
	DefaultRowBytes  = 8 << 20
	DefaultCellBytes = 4 << 20
	DefaultAttrBytes = 1 << 20
	DefaultDepth     = 64
	DefaultFields    = 4096
)

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.RowBytes, DefaultRowBytes)
	set(&l.CellBytes, DefaultCellBytes)
	set(&l.AttrBytes, DefaultAttrBytes)
	set(&l.Depth, DefaultDepth)
	set(&l.Fields, DefaultFields)
	return l
}

// The values of the INFO named QUERY_STATUS (DALI 1.1 section 4.4).
const (
	StatusOK       = "OK"
	StatusOverflow = "OVERFLOW"
	StatusFailed   = "ERROR"
)

const statusInfo = "QUERY_STATUS"
