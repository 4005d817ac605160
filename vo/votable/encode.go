package votable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// appendValue appends a value as a cell of a TABLEDATA shows it; nothing for nil.
func (d *decoder) appendValue(dst []byte, v any) ([]byte, error) {
	if v == nil {
		return dst, nil
	}
	switch v := v.(type) {
	case string:
		if d.datatype.isString() && !d.array {
			return append(dst, v...), nil
		}
	case []string:
		if d.array && d.datatype.isString() {
			return d.appendStrings(dst, v)
		}
	}
	// What is left has one text, whether it comes from memory or from a stream.
	cell, err := d.appendBinary(nil, v)
	if err != nil {
		return dst, err
	}
	if d.shape.variable && d.datatype != bitType {
		cell = cell[4:]
	}
	return d.appendLexical(dst, cell), nil
}

// appendLexical appends what a TABLEDATA shows for a cell of a stream, also where it equals the field's
// null: it is known not to be one.
func (d *decoder) appendLexical(dst, cell []byte) []byte {
	if len(cell) == 0 || d.datatype == bitType && d.shape.variable && len(cell) == 4 {
		return dst
	}
	if d.datatype.isString() {
		return d.appendChars(dst, cell)
	}
	if d.array {
		return d.appendElements(dst, cell)
	}
	if d.datatype.isFloat() {
		return appendFloat(dst, d.floatAt(cell), d.datatype.bits())
	}
	plain := *d
	plain.null, plain.hasNull = "", false
	return plain.appendBinaryText(dst, cell)
}

// appendStrings appends strings, each filled with blanks to its width.
func (d *decoder) appendStrings(dst []byte, list []string) ([]byte, error) {
	for _, s := range list {
		n := utf8.RuneCountInString(s)
		if n > d.shape.width {
			return dst, fmt.Errorf("%.40q is longer than %d characters", s, d.shape.width)
		}
		dst = append(append(dst, s...), strings.Repeat(" ", d.shape.width-n)...)
	}
	return dst, nil
}

// appendBinary appends a value as a cell of a BINARY stream, with its count where it is variable. A
// nil is what stands for null where no mask says it; an error where nothing does.
func (d *decoder) appendBinary(dst []byte, v any) ([]byte, error) {
	if v == nil {
		return d.appendNull(dst)
	}
	count, err := d.countOf(v)
	if err != nil {
		return dst, err
	}
	switch {
	case d.shape.variable && count > math.MaxInt32:
		return dst, fmt.Errorf("%d elements are more than a stream can say", count)
	case d.shape.variable:
		dst = binary.BigEndian.AppendUint32(dst, uint32(count))
	case !d.datatype.isString() && count != d.shape.count:
		return dst, fmt.Errorf("%d elements where the field has %d", count, d.shape.count)
	}
	start := len(dst)
	switch v := v.(type) {
	case string:
		dst, err = d.appendString(dst, v)
	case []string:
		for _, s := range v {
			from := len(dst)
			if dst, err = d.appendString(dst, s); err != nil {
				return dst, err
			}
			if dst, err = d.fill(dst, from, d.shape.width, ' '); err != nil {
				return dst, err
			}
		}
	case bool:
		dst = d.appendBools(dst, []bool{v})
	case []bool:
		dst = d.appendBools(dst, v)
	case int64:
		dst, err = d.appendInteger(dst, v)
	case []int64:
		for i := 0; i < len(v) && err == nil; i++ {
			dst, err = d.appendInteger(dst, v[i])
		}
	case float64:
		dst = d.appendReal(dst, v)
	case []float64:
		for _, x := range v {
			dst = d.appendReal(dst, x)
		}
	case complex128:
		dst = d.appendReal(d.appendReal(dst, real(v)), imag(v))
	case []complex128:
		for _, c := range v {
			dst = d.appendReal(d.appendReal(dst, real(c)), imag(c))
		}
	}
	if err == nil && d.datatype.isString() && !d.shape.variable {
		dst, err = d.fill(dst, start, d.shape.count, 0)
	}
	return dst, err
}

// countOf counts the elements of a value, which is of the type that Reader.Next gives for the field.
func (d *decoder) countOf(v any) (int, error) {
	fits, count := false, 1
	array := false
	switch v := v.(type) {
	case string:
		count = d.lengthOf(v)
		fits = d.datatype.isString()
	case []string:
		count, array = len(v)*d.shape.width, true
		fits = d.datatype.isString()
	case bool:
		fits = d.datatype == booleanType || d.datatype == bitType
	case []bool:
		count, array = len(v), true
		fits = d.datatype == booleanType || d.datatype == bitType
	case int64:
		fits = d.datatype.isInteger()
	case []int64:
		count, array = len(v), true
		fits = d.datatype.isInteger()
	case float64:
		fits = d.datatype.isFloat()
	case []float64:
		count, array = len(v), true
		fits = d.datatype.isFloat()
	case complex128:
		fits = d.datatype.isComplex()
	case []complex128:
		count, array = len(v), true
		fits = d.datatype.isComplex()
	}
	if !fits || array != d.array {
		return 0, fmt.Errorf("a %T is not what the field holds", v)
	}
	return count, nil
}

// lengthOf counts the elements that a string is in a stream.
func (d *decoder) lengthOf(s string) int {
	if d.datatype != unicodeCharType {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

func (d *decoder) appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return dst, fmt.Errorf("%.40q holds what a string in a stream cannot (invalid UTF-8 or a NUL)", s)
	}
	if d.datatype != unicodeCharType {
		return append(dst, s...), nil
	}
	for _, r := range s {
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			dst = binary.BigEndian.AppendUint16(dst, uint16(hi))
			r = lo
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(r))
	}
	return dst, nil
}

// fill fills the string that begins at from up to count elements.
func (d *decoder) fill(dst []byte, from, count int, with byte) ([]byte, error) {
	size := elementBytes[d.datatype]
	missing := count - (len(dst)-from)/size
	if missing < 0 {
		return dst, fmt.Errorf("a string of %d elements where the field has %d", count-missing, count)
	}
	one := []byte{with}
	if size == 2 {
		one = []byte{0, with}
	}
	return append(dst, bytes.Repeat(one, missing)...), nil
}

func (d *decoder) appendBools(dst []byte, list []bool) []byte {
	if d.datatype == booleanType {
		for _, b := range list {
			c := byte('F')
			if b {
				c = 'T'
			}
			dst = append(dst, c)
		}
		return dst
	}
	start := len(dst)
	dst = append(dst, make([]byte, (len(list)+7)/8)...)
	for i, b := range list {
		if b {
			dst[start+i/8] |= 0x80 >> (i % 8)
		}
	}
	return dst
}

func (d *decoder) appendInteger(dst []byte, n int64) ([]byte, error) {
	bits := d.datatype.bits()
	low, high := d.datatype.bounds()
	if n < low || n > high {
		return dst, fmt.Errorf("%d is not between %d and %d", n, low, high)
	}
	for shift := bits - 8; shift >= 0; shift -= 8 {
		dst = append(dst, byte(n>>shift))
	}
	return dst, nil
}

func (d *decoder) appendReal(dst []byte, v float64) []byte {
	if d.datatype.bits() == 32 {
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(v)))
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}

// appendNull appends what stands for null: no elements, NULs, "?", NaN, the field's declared null.
func (d *decoder) appendNull(dst []byte) ([]byte, error) {
	switch {
	case d.shape.variable:
		return append(dst, 0, 0, 0, 0), nil
	case d.datatype.isString():
		return d.appendBlank(dst), nil
	case d.datatype.isFloat() && !d.array && d.hasNull:
		return d.appendReal(dst, d.nullFloat), nil
	case d.datatype.isFloat() || d.datatype.isComplex():
		for range d.shape.count * elementBytes[d.datatype] * 8 / d.datatype.bits() {
			dst = d.appendReal(dst, math.NaN())
		}
		return dst, nil
	case d.datatype == booleanType && !d.array:
		return append(dst, '?'), nil
	case d.datatype.isInteger() && !d.array && d.hasNull:
		return d.appendInteger(dst, d.nullInt)
	}
	return dst, errors.New("a null in BINARY, which has none for this field; declare one (Field.Null) or write BINARY2")
}

// appendBlank appends a cell of zeros, for a null that a mask says.
func (d *decoder) appendBlank(dst []byte) []byte {
	n := d.shape.count * elementBytes[d.datatype]
	switch {
	case d.shape.variable:
		n = 4
	case d.datatype == bitType:
		n = (d.shape.count + 7) / 8
	}
	return append(dst, make([]byte, n)...)
}
