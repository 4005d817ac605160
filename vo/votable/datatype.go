package votable

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// datatype is the primitive of a field (VOTable 1.5 section 2.1).
type datatype int

const (
	unknownType datatype = iota // read as a string in TABLEDATA, refused in BINARY
	booleanType
	bitType
	byteType
	shortType
	intType
	longType
	charType
	unicodeCharType
	floatType
	doubleType
	floatComplexType
	doubleComplexType
)

// datatypes maps names in lower case. "integer" is not in the standard, but sent.
var datatypes = map[string]datatype{
	"boolean": booleanType, "bit": bitType, "unsignedbyte": byteType, "short": shortType, "int": intType,
	"integer": intType, "long": longType, "char": charType, "unicodechar": unicodeCharType,
	"float": floatType, "double": doubleType, "floatcomplex": floatComplexType, "doublecomplex": doubleComplexType,
}

// elementBytes is the width of one element in a BINARY stream. A bit has none of its own.
var elementBytes = [...]int{
	booleanType: 1, byteType: 1, shortType: 2, intType: 4, longType: 8, charType: 1, unicodeCharType: 2,
	floatType: 4, doubleType: 8, floatComplexType: 8, doubleComplexType: 16,
}

func (t datatype) isString() bool { return t == charType || t == unicodeCharType || t == unknownType }

func (t datatype) isInteger() bool {
	return t == byteType || t == shortType || t == intType || t == longType
}
func (t datatype) isFloat() bool   { return t == floatType || t == doubleType }
func (t datatype) isComplex() bool { return t == floatComplexType || t == doubleComplexType }

// bits is the width of an integer, of a float, or of a part of a complex.
func (t datatype) bits() int {
	switch t {
	case floatComplexType:
		return 32
	case doubleComplexType:
		return 64
	}
	return 8 * elementBytes[t]
}

// shape is a field's arraysize: how many elements a cell has.
type shape struct {
	count    int  // elements of a cell; where variable, what its bound says, 0 for none
	variable bool // the cell says how many it has
	width    int  // of the strings in an array of strings; 0 when it is one string, or none
	plane    int  // elements of the fixed dimensions before a variable one; 1 when there are none
}

// shapeOf reads an arraysize: "" and "1" are a scalar, "3", "2x2", "*", "10*", "4x*" arrays. Where
// there is an error, it gives a scalar with it.
func shapeOf(arraysize string) (shape, error) {
	scalar := shape{count: 1}
	size := strings.ReplaceAll(arraysize, " ", "")
	if size == "" {
		return scalar, nil
	}
	s := scalar
	dims := strings.Split(size, "x")
	for i, dim := range dims {
		bound, star := strings.CutSuffix(dim, "*")
		if star && i < len(dims)-1 {
			return scalar, fmt.Errorf("arraysize %.40q has a variable dimension before its last", arraysize)
		}
		if s.variable = star; star {
			s.plane = s.count
		}
		if star && bound == "" {
			s.count = 0
			break
		}
		n, err := strconv.Atoi(bound)
		if err != nil || n < 0 || bound[0] == '+' {
			return scalar, fmt.Errorf("arraysize %.40q is not a list of sizes such as 3, 2x2, * or 4x10*", arraysize)
		}
		if n > 0 && s.count > math.MaxInt32/n {
			return scalar, fmt.Errorf("arraysize %.40q is larger than any cell may be", arraysize)
		}
		s.count *= n
		if i == 0 && len(dims) > 1 {
			s.width = n
		}
	}
	return s, nil
}

var errNoDatatype = errors.New("its datatype is not one of VOTable's, so its width in a BINARY stream is not known")
