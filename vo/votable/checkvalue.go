package votable

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a cell, a PARAM value or a null may be, to the letter of VOTable 1.5 section 6. The Reader is more
// patient.

var (
	strictDecimal = regexp.MustCompile(`^[+-]?[0-9]+$`)
	strictHex     = regexp.MustCompile(`^0x[0-9A-Fa-f]+$`)
	strictFloat   = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
)

// strictly says what is wrong with the text of a cell that is not null.
func (d *decoder) strictly(text string) error {
	if d.datatype.isString() {
		return d.strictString(text)
	}
	if strings.EqualFold(strings.TrimSpace(text), "null") {
		return fmt.Errorf("%q is not how a null is written; an empty cell is one", text)
	}
	parts := strings.Fields(text)
	if d.datatype == bitType {
		return d.strictBits(strings.Join(parts, ""))
	}
	for _, part := range parts {
		if err := d.strictElement(part); err != nil {
			return err
		}
	}
	count := len(parts)
	if d.datatype.isComplex() {
		if count%2 != 0 {
			return fmt.Errorf("%d numbers, which are not pairs of real and imaginary part", count)
		}
		count /= 2
	}
	return d.strictCount(count)
}

func (d *decoder) strictString(text string) error {
	if d.datatype == charType {
		for _, r := range text {
			if r >= utf8.RuneSelf {
				return errNotASCII
			}
		}
	}
	n := utf8.RuneCountInString(text)
	switch {
	case !d.sized && n > 1:
		return errNoArraysize
	case d.sized && d.shape.count > 0 && n > d.shape.count:
		return fmt.Errorf("%d characters where the field has at most %d", n, d.shape.count)
	}
	return nil
}

// These two are said once of a field: where they are wrong, most of its cells are.
var (
	errNotASCII    = errors.New("a character that is not ASCII in a field of datatype char; unicodeChar holds it")
	errNoArraysize = errors.New(`several characters in a field without arraysize, which holds one; arraysize="*" is missing`)
)

func (d *decoder) strictBits(bits string) error {
	if strings.Trim(bits, "01") != "" {
		return fmt.Errorf("%.40q is not a sequence of 0 and 1", bits)
	}
	return d.strictCount(len(bits))
}

// strictCount says whether a cell may have so many elements.
func (d *decoder) strictCount(count int) error {
	switch s := d.shape; {
	case !d.array && count != 1:
		return fmt.Errorf("%d elements where the field has one", count)
	case !s.variable && count != s.count:
		return fmt.Errorf("%d elements where the field has %d", count, s.count)
	case s.variable && s.count > 0 && count > s.count:
		return fmt.Errorf("%d elements where the field has at most %d", count, s.count)
	case s.variable && s.plane > 0 && count%s.plane != 0:
		return fmt.Errorf("%d elements are not a multiple of %d, the field's fixed dimensions", count, s.plane)
	}
	return nil
}

// strictElement says what is wrong with one element of an array, or a scalar.
func (d *decoder) strictElement(s string) error {
	switch {
	case d.datatype == booleanType:
		switch strings.ToLower(s) {
		case "t", "f", "1", "0", "true", "false", "?":
			return nil
		}
		return fmt.Errorf("%.40q is not a boolean: expected T, F, 1, 0, true, false or ?", s)
	case d.datatype.isInteger():
		return strictInteger(s, d.datatype)
	}
	return strictReal(s, d.datatype.bits())
}

func strictInteger(s string, t datatype) error {
	bits := t.bits()
	if strictHex.MatchString(s) {
		if len(s)-2 > bits/4 {
			return fmt.Errorf("%.40q has more than the %d hexadecimal digits of its datatype", s, bits/4)
		}
		return nil
	}
	if !strictDecimal.MatchString(s) {
		return fmt.Errorf("%.40q is not a whole number", s)
	}
	low, high := t.bounds()
	if n, err := strconv.ParseInt(s, 10, 64); err != nil || n < low || n > high {
		return fmt.Errorf("%.40s is not between %d and %d", s, low, high)
	}
	return nil
}

// bounds are the least and the greatest value of an integer.
func (t datatype) bounds() (low, high int64) {
	if t == byteType {
		return 0, math.MaxUint8
	}
	return math.MinInt64 >> (64 - t.bits()), math.MaxInt64 >> (64 - t.bits())
}

func strictReal(s string, bits int) error {
	switch s {
	case "NaN", "+Inf", "-Inf":
		return nil
	}
	if strictFloat.MatchString(s) {
		if _, err := strconv.ParseFloat(s, bits); err != nil {
			return fmt.Errorf("%.40s is beyond the range of its datatype", s)
		}
		return nil
	}
	if v, err := strconv.ParseFloat(s, bits); err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		return fmt.Errorf("%.40q: expected NaN, +Inf or -Inf, in these letters", s)
	}
	return fmt.Errorf("%.40q is not a number", s)
}

// strictNull says what is wrong with the null of a VALUES: it is one element, also for an array.
func (d *decoder) strictNull(null string) error {
	if d.datatype.isString() || d.datatype.isComplex() || d.datatype == bitType {
		return nil
	}
	return d.strictElement(null)
}

// strictBytes says what is wrong with a cell of a stream, which is not empty.
func (d *decoder) strictBytes(cell []byte) error {
	switch {
	case d.datatype == booleanType:
		for _, b := range cell {
			if _, err := booleanByte(b); err != nil && !isNullBoolean(b) {
				return err
			}
		}
	case d.datatype == charType:
		if slices.ContainsFunc(d.toNUL(cell), func(b byte) bool { return b >= utf8.RuneSelf }) {
			return errNotASCII
		}
	case d.datatype == bitType:
		count, bits := d.bitsOf(cell)
		if spare := len(bits)*8 - count; spare > 0 && bits[len(bits)-1]&(1<<spare-1) != 0 {
			return errors.New("a bit behind the last of the cell is set")
		}
		if d.shape.variable {
			return d.strictVariable(count)
		}
		return nil
	}
	if d.shape.variable && !(d.datatype.isString() && !d.array && d.shape.count == 0) {
		return d.strictVariable(len(cell) / elementBytes[d.datatype])
	}
	return nil
}

// strictVariable is strictCount for a cell of a stream that says how many elements it has.
func (d *decoder) strictVariable(count int) error {
	plain := *d
	plain.array = true
	return plain.strictCount(count)
}

// toNUL gives the characters before the NUL that ends a string, where there is one string.
func (d *decoder) toNUL(cell []byte) []byte {
	if i := bytes.IndexByte(cell, 0); i >= 0 && !d.array {
		return cell[:i]
	}
	return cell
}
