package votable

import "bytes"

// scanDeclaration skips a comment or enters a CDATA section; anything else is refused.
func (s *scanner) scanDeclaration() error {
	head := s.ahead(len("<![CDATA["))
	switch {
	case bytes.HasPrefix(head, []byte("<!--")):
		return s.skipPast("<!--", "-->")
	case bytes.Equal(head, []byte("<![CDATA[")):
		if s.depth() == 0 {
			return s.fail("text outside the root element")
		}
		s.pos += len(head)
		s.inCDATA = true
		return nil
	case bytes.HasPrefix(head, []byte("<!DOCTYPE")):
		return s.skipDocumentType()
	case len(head) < len("<![CDATA[") && s.srcErr != nil:
		return s.readFailed(s.endErr())
	}
	return s.fail("unexpected markup %q", head)
}

// maxDocumentType bounds a document type declaration.
const maxDocumentType = 1024

// skipDocumentType skips a declaration that only names a DTD, as VOTable 1.0 had it; the DTD is not
// fetched. One that defines anything is refused.
func (s *scanner) skipDocumentType() error {
	quote := byte(0)
	rest := s.ahead(maxDocumentType)
	for i, b := range rest {
		switch {
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'':
			quote = b
		case b == '>' && s.depth() == 0 && !s.rootDone:
			s.pos += i + 1
			return nil
		case b == '>' || b == '[':
			return s.fail("document type declarations are refused where they do more than name a DTD: entities defined there are not expanded")
		}
	}
	if len(rest) < maxDocumentType {
		return s.readFailed(s.endErr())
	}
	return s.fail("a document type declaration longer than %d bytes", maxDocumentType)
}

// skipPast skips from opening, which is next, past the first closing behind it.
func (s *scanner) skipPast(opening, closing string) error {
	s.pos += len(opening)
	for {
		rest := s.ahead(len(closing))
		if len(rest) < len(closing) {
			return s.readFailed(s.endErr())
		}
		if string(rest) == closing {
			s.pos += len(closing)
			return nil
		}
		s.pos++
		i := bytes.IndexByte(s.buf[s.pos:s.end], closing[0])
		if i < 0 {
			i = s.end - s.pos
		}
		s.pos += i
	}
}
