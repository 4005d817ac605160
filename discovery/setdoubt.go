package discovery

import (
	"strings"

	"beampipe/fault"
)

// maxDoubted bounds the keys of one set that are asked for again because their data is known and the set
// has none of it. Where it is more, that is judged as what happens to many sources at once.
const maxDoubted = 20

// doubtful gives the keys of a set whose rows, or whose having none, is not believed before each was
// asked for on its own: a key without rows whose source has data; and, of uploaded texts, which an archive
// may cut, a key without rows that begins like one that has some, and that one.
func (n *inquiry) doubtful(r request, rows [][][]string) map[int]bool {
	if len(r.keys) == 1 {
		return nil
	}
	list := map[int]bool{}
	for i, k := range r.keys {
		if r.query == 0 && len(rows[i]) == 0 && n.knows(k) {
			list[i] = true
		}
	}
	if len(list) > maxDoubted {
		list = map[int]bool{}
	}
	config, _ := n.query(r.query)
	if f := config.Batch[r.form]; f.InList || f.Numeric {
		return list
	}
	at := make(map[string]int, len(r.keys))
	for i, k := range r.keys {
		at[k.value] = i
	}
	for i, k := range r.keys {
		for end := len(k.value) - 1; end > 0 && len(rows[i]) == 0; end-- {
			if j, ok := at[strings.TrimSpace(k.value[:end])]; ok && len(rows[j]) > 0 {
				list[i], list[j] = true, true
			}
		}
	}
	return list
}

// knows reports whether data of one of a key's sources is known.
func (n *inquiry) knows(k key) bool {
	for _, q := range k.questions {
		if hadData(n.sources[q.source]) {
			return true
		}
	}
	return false
}

// apart asks for doubtful keys one by one, those left out that are asked for in another form anyway.
func (n *inquiry) apart(r request, doubtful, undealt map[int]bool) []request {
	config, _ := n.query(r.query)
	var list []request
	for i, k := range r.keys {
		if !doubtful[i] || undealt[i] {
			continue
		}
		one := r
		one.keys = []key{k}
		n.note(k.questions, one, fault.New(fault.Invalid, "its part of the answer for several is not believed without asking for it alone", ""))
		if config.NeedsUpload() {
			list = append(list, one)
		} else {
			list = append(list, alone(r.query, k.questions)...)
		}
	}
	return list
}
