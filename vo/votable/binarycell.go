package votable

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// binaryValue decodes a cell of a BINARY stream to what value gives for the same cell of a TABLEDATA.
// An empty cell is null.
func (d *decoder) binaryValue(cell []byte) (any, error) {
	if len(cell) == 0 {
		return nil, nil
	}
	if d.datatype.isString() {
		return d.stringValue(cell), nil
	}
	if d.array {
		if d.null != "" && string(d.appendElements(nil, cell)) == d.null {
			return nil, nil
		}
		return d.arrayValue(cell)
	}
	switch {
	case d.datatype == booleanType:
		if isNullBoolean(cell[0]) {
			return nil, nil
		}
		return boxed(booleanByte(cell[0]))
	case d.datatype == bitType:
		return cell[0]>>7 == 1, nil
	case d.datatype.isInteger():
		if n := d.integerAt(cell); !d.hasNull || n != d.nullInt {
			return n, nil
		}
		return nil, nil
	case d.datatype.isFloat():
		if v := d.floatAt(cell); !d.isNullFloat(v) {
			return v, nil
		}
		return nil, nil
	}
	c := d.complexAt(cell)
	if d.null != "" && string(d.appendComplex(nil, c)) == d.null {
		return nil, nil
	}
	return c, nil
}

func (d *decoder) isNullFloat(v float64) bool {
	return d.hasNull && (v == d.nullFloat || math.IsNaN(v) && math.IsNaN(d.nullFloat))
}

// stringValue decodes characters.
func (d *decoder) stringValue(cell []byte) any {
	text := string(d.appendChars(nil, cell))
	if text == "" || d.isNullString(text) {
		return nil
	}
	if !d.array {
		return text
	}
	var list []string
	for part := range d.strings(cell) {
		list = append(list, strings.TrimRight(string(d.appendToNUL(nil, part)), " "))
	}
	return list
}

func (d *decoder) isNullString(text string) bool {
	return d.null != "" && strings.TrimSpace(text) == d.null
}

func (d *decoder) arrayValue(cell []byte) (any, error) {
	switch {
	case d.datatype == booleanType:
		list := make([]bool, len(cell))
		for i, b := range cell {
			if isNullBoolean(b) {
				continue // an element has no null of its own
			}
			var err error
			if list[i], err = booleanByte(b); err != nil {
				return nil, err
			}
		}
		return list, nil
	case d.datatype == bitType:
		count, bits := d.bitsOf(cell)
		list := make([]bool, count)
		for i := range list {
			list[i] = bits[i/8]>>(7-i%8)&1 == 1
		}
		return list, nil
	case d.datatype.isInteger():
		return elements(cell, elementBytes[d.datatype], d.integerAt), nil
	case d.datatype.isFloat():
		return elements(cell, elementBytes[d.datatype], d.floatAt), nil
	}
	return elements(cell, elementBytes[d.datatype], d.complexAt), nil
}

func elements[T any](cell []byte, size int, one func([]byte) T) []T {
	list := make([]T, len(cell)/size)
	for i := range list {
		list[i] = one(cell[i*size:])
	}
	return list
}

// bitsOf gives how many bits a cell has, and the bytes that hold them from the highest bit on.
func (d *decoder) bitsOf(cell []byte) (int, []byte) {
	if d.shape.variable {
		return int(binary.BigEndian.Uint32(cell)), cell[4:]
	}
	return d.shape.count, cell
}

func (d *decoder) integerAt(b []byte) int64 {
	switch d.datatype {
	case byteType:
		return int64(b[0])
	case shortType:
		return int64(int16(binary.BigEndian.Uint16(b)))
	case intType:
		return int64(int32(binary.BigEndian.Uint32(b)))
	}
	return int64(binary.BigEndian.Uint64(b))
}

func (d *decoder) floatAt(b []byte) float64 {
	if d.datatype.bits() == 32 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b))
}

func (d *decoder) complexAt(b []byte) complex128 {
	return complex(d.floatAt(b), d.floatAt(b[d.datatype.bits()/8:]))
}

func isNullBoolean(b byte) bool { return b == 0 || b == ' ' || b == '?' }

func booleanByte(b byte) (bool, error) {
	switch b {
	case 'T', 't', '1':
		return true, nil
	case 'F', 'f', '0':
		return false, nil
	}
	return false, fmt.Errorf("byte %#02x is not a boolean; expected T, F, 1, 0 or ?", b)
}

// appendBinaryText appends what a TABLEDATA would show for a cell of a BINARY stream, trimmed;
// nothing for a null. Numbers are the shortest decimals that round-trip at their own width.
func (d *decoder) appendBinaryText(dst, cell []byte) []byte {
	if len(cell) == 0 {
		return dst
	}
	start := len(dst)
	switch {
	case d.datatype.isString():
		dst = d.appendChars(dst, cell)
	case d.array:
		dst = d.appendElements(dst, cell)
	case d.datatype == booleanType:
		if isNullBoolean(cell[0]) {
			return dst
		}
		dst = utf8.AppendRune(dst, rune(cell[0]))
	case d.datatype == bitType:
		dst = append(dst, '0'+cell[0]>>7)
	case d.datatype.isInteger():
		if n := d.integerAt(cell); !d.hasNull || n != d.nullInt {
			dst = strconv.AppendInt(dst, n, 10)
		}
		return dst
	case d.datatype.isFloat():
		if v := d.floatAt(cell); !math.IsNaN(v) && !d.isNullFloat(v) {
			dst = appendFloat(dst, v, d.datatype.bits())
		}
		return dst
	default:
		dst = d.appendComplex(dst, d.complexAt(cell))
	}
	if d.datatype.isString() {
		trimmed := bytes.TrimSpace(dst[start:])
		dst = dst[:start+copy(dst[start:], trimmed)]
	}
	if d.null != "" && string(dst[start:]) == d.null {
		return dst[:start]
	}
	return dst
}

// appendElements appends the elements of an array, joined by blanks.
func (d *decoder) appendElements(dst, cell []byte) []byte {
	if d.datatype == bitType {
		count, bits := d.bitsOf(cell)
		for i := range count {
			dst = append(dst, '0'+bits[i/8]>>(7-i%8)&1, ' ')
		}
		return dst[:len(dst)-1]
	}
	for size := elementBytes[d.datatype]; len(cell) > 0; cell = cell[size:] {
		switch {
		case d.datatype == booleanType && isNullBoolean(cell[0]):
			dst = append(dst, '?')
		case d.datatype == booleanType:
			dst = utf8.AppendRune(dst, rune(cell[0]))
		case d.datatype.isInteger():
			dst = strconv.AppendInt(dst, d.integerAt(cell), 10)
		case d.datatype.isFloat():
			dst = appendFloat(dst, d.floatAt(cell), d.datatype.bits())
		default:
			dst = d.appendComplex(dst, d.complexAt(cell))
		}
		dst = append(dst, ' ')
	}
	return dst[:len(dst)-1]
}

func (d *decoder) appendComplex(dst []byte, c complex128) []byte {
	dst = appendFloat(dst, real(c), d.datatype.bits())
	dst = append(dst, ' ')
	return appendFloat(dst, imag(c), d.datatype.bits())
}

// appendFloat appends the shortest decimal that reads back as v at its width of 32 or 64 bits. A
// whole number ends in ".0", and an exponent is written from 1e+16 on and below 1e-4: as services
// written in Python show them in TABLEDATA, so that serializations give equal text.
func appendFloat(dst []byte, v float64, bits int) []byte {
	abs := math.Abs(v)
	switch {
	case abs >= 1e16 && !math.IsInf(v, 0), abs < 1e-4 && v != 0:
		return strconv.AppendFloat(dst, v, 'e', -1, bits)
	case math.IsNaN(v) || math.IsInf(v, 0):
		return strconv.AppendFloat(dst, v, 'f', -1, bits)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'f', -1, bits)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendChars appends the characters of a cell as UTF-8. In an array each string is filled with
// blanks to its width, as a TABLEDATA would have it.
func (d *decoder) appendChars(dst, cell []byte) []byte {
	if !d.array {
		return d.appendToNUL(dst, cell)
	}
	for part := range d.strings(cell) {
		start := len(dst)
		dst = d.appendToNUL(dst, part)
		missing := d.shape.width - utf8.RuneCount(dst[start:])
		dst = append(dst, bytes.Repeat([]byte{' '}, max(missing, 0))...)
	}
	return dst
}

// strings gives the bytes of each string of an array of them.
func (d *decoder) strings(cell []byte) iter.Seq[[]byte] {
	return slices.Chunk(cell, d.shape.width*elementBytes[d.datatype])
}

// appendToNUL appends one string: up to the first NUL, which ends a string shorter than its field.
func (d *decoder) appendToNUL(dst, chars []byte) []byte {
	if d.datatype == unicodeCharType {
		return appendUTF16(dst, chars)
	}
	if end := bytes.IndexByte(chars, 0); end >= 0 {
		chars = chars[:end]
	}
	if utf8.Valid(chars) {
		return append(dst, chars...) // ASCII by the standard, UTF-8 in use
	}
	for _, b := range chars {
		dst = utf8.AppendRune(dst, rune(b)) // and ISO-8859-1
	}
	return dst
}

// appendUTF16 appends unicodeChar data: UCS-2 by the standard, UTF-16 in use. A lone surrogate
// becomes U+FFFD.
func appendUTF16(dst, chars []byte) []byte {
	for i := 0; i+1 < len(chars); i += 2 {
		r := rune(binary.BigEndian.Uint16(chars[i:]))
		if r == 0 {
			return dst
		}
		if utf16.IsSurrogate(r) && i+3 < len(chars) {
			pair := utf16.DecodeRune(r, rune(binary.BigEndian.Uint16(chars[i+2:])))
			if pair != utf8.RuneError {
				r, i = pair, i+2
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
