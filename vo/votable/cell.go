package votable

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoder turns the cells of one field into values and text (VOTable 1.5 sections 2.1, 5.1, 5.3).
type decoder struct {
	datatype datatype
	array    bool
	sized    bool // an arraysize is given
	shape    shape
	null     string
	broken   error // why the field cannot be in a BINARY stream

	// The null as a number, where it is declared and is one.
	hasNull   bool
	nullInt   int64
	nullFloat float64
}

func decoders(fields []Field) []decoder {
	all := make([]decoder, len(fields))
	for i, f := range fields {
		all[i] = newDecoder(f)
	}
	return all
}

func newDecoder(f Field) decoder {
	d := decoder{datatype: datatypes[strings.ToLower(strings.TrimSpace(f.Datatype))], null: f.Null}
	d.shape, d.broken = shapeOf(f.Arraysize)
	size := strings.ReplaceAll(f.Arraysize, " ", "")
	d.sized = size != ""
	d.array = d.sized && size != "1"
	switch {
	case d.datatype == unknownType:
		d.array, d.broken = false, errNoDatatype
	case d.datatype.isString():
		// "4x3" is three strings of four characters; "12" and "*" are one string.
		d.array = d.shape.width > 0
	}
	var err error
	switch {
	case d.null == "":
		return d
	case d.datatype.isInteger():
		d.nullInt, err = integer(d.null, d.datatype.bits())
		d.hasNull = err == nil
	case d.datatype.isFloat():
		d.nullFloat, err = float(d.null, d.datatype.bits())
		d.hasNull = err == nil
	}
	return d
}

// isNull holds for the trimmed text of a null cell. NULL in letters is in no standard, but sent for
// what is not a string.
func (d *decoder) isNull(trimmed string) bool {
	switch len(trimmed) {
	case 0:
		return true
	case 1:
		if trimmed == "?" && d.datatype == booleanType && !d.array {
			return true
		}
	case 4:
		if !d.datatype.isString() && strings.EqualFold(trimmed, "null") {
			return true
		}
	}
	return trimmed == d.null
}

// isNaN holds for the trimmed text of a float that is NaN, the null of floats where nothing else is
// declared. Its value stays NaN; its text is that of a null, because a BINARY2 stream of the same
// table may mark it as one.
func (d *decoder) isNaN(trimmed string) bool {
	return len(trimmed) == 3 && d.datatype.isFloat() && !d.array && strings.EqualFold(trimmed, "nan")
}

// isPlainString holds for fields whose cells are one string.
func (d *decoder) isPlainString() bool { return d.datatype.isString() && !d.array }

// value decodes a cell of a TABLEDATA.
func (d *decoder) value(cell string) (any, error) {
	trimmed := strings.TrimSpace(cell)
	if d.datatype.isString() {
		if len(cell) == 0 || (d.null != "" && trimmed == d.null) {
			return nil, nil
		}
		if d.array {
			return cut(cell, d.shape.width), nil
		}
		return cell, nil
	}
	if d.isNull(trimmed) {
		return nil, nil
	}
	bits := d.datatype.bits()
	switch {
	case d.datatype == booleanType:
		return decode(trimmed, d.array, boolean)
	case d.datatype == bitType:
		return decode(spaced(trimmed), d.array, boolean)
	case d.datatype.isFloat():
		return decode(trimmed, d.array, func(s string) (float64, error) { return float(s, bits) })
	case d.datatype.isComplex():
		return complexes(trimmed, d.array, bits)
	}
	return decode(trimmed, d.array, func(s string) (int64, error) { return integer(s, bits) })
}

// decode reads one value, or the blank-separated values of an array.
func decode[T any](text string, array bool, one func(string) (T, error)) (any, error) {
	if !array {
		return boxed(one(text))
	}
	parts := strings.Fields(text)
	list := make([]T, len(parts))
	for i, part := range parts {
		var err error
		if list[i], err = one(part); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func boxed[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func boolean(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "t", "true", "1":
		return true, nil
	case "f", "false", "0", "?": // "?" is the null of an element, which has no value of its own
		return false, nil
	}
	return false, fmt.Errorf("%.40q is not a boolean", s)
}

// spaced puts blanks between bits that were written without them.
func spaced(bits string) string {
	if len(bits) > 1 && strings.Trim(bits, "01") == "" {
		return strings.Join(strings.Split(bits, ""), " ")
	}
	return bits
}

// integer reads a decimal, or a hexadecimal 0x… in two's complement at the datatype's width.
func integer(s string, bits int) (int64, error) {
	hex, isHex := strings.CutPrefix(strings.ToLower(s), "0x")
	if !isHex {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%.40q is not a whole number", s)
		}
		return n, nil
	}
	u, err := strconv.ParseUint(hex, 16, bits)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a hexadecimal number of %d bits", s, bits)
	}
	if bits == 8 {
		return int64(u), nil // unsignedByte
	}
	return int64(u<<(64-bits)) >> (64 - bits), nil
}

// float reads a number, NaN, or an infinity; one too large for the width is infinite.
func float(s string, bits int) (float64, error) {
	v, err := strconv.ParseFloat(s, bits)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return math.NaN(), fmt.Errorf("%.40q is not a number", s)
	}
	return v, nil
}

// complexes reads pairs of real and imaginary part.
func complexes(text string, array bool, bits int) (any, error) {
	parts := strings.Fields(text)
	if len(parts)%2 != 0 || (!array && len(parts) != 2) {
		return nil, fmt.Errorf("%.40q is not a complex number: expected pairs of numbers", text)
	}
	list := make([]complex128, len(parts)/2)
	for i := range list {
		re, err := float(parts[2*i], bits)
		if err != nil {
			return nil, err
		}
		im, err := float(parts[2*i+1], bits)
		if err != nil {
			return nil, err
		}
		list[i] = complex(re, im)
	}
	if !array {
		return list[0], nil
	}
	return list, nil
}

// cut splits text into strings of width characters and takes the blanks off their ends.
func cut(text string, width int) []string {
	var list []string
	for len(text) > 0 {
		end := 0
		for n := 0; n < width && end < len(text); n++ {
			_, size := utf8.DecodeRuneInString(text[end:])
			end += size
		}
		list = append(list, strings.TrimRight(text[:end], " "))
		text = text[end:]
	}
	return list
}
