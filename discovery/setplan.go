package discovery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"beampipe/configs"
	"beampipe/fault"
)

// requests puts questions into requests: those to a query with forms into sets, the others alone. A
// value that the query's own template refuses fails its source alone.
func (n *inquiry) requests(questions []*question) []request {
	var list []request
	sets := map[int][]*question{}
	for _, q := range questions {
		config, _ := n.query(q.query)
		if len(config.Batch) == 0 {
			list = append(list, request{query: q.query, alone: q})
		} else if _, q.err = config.ADQL(q.vars); q.err == nil {
			sets[q.query] = append(sets[q.query], q)
		}
	}
	for _, query := range slices.Sorted(maps.Keys(sets)) {
		list = append(list, n.plan(query, 0, sets[query], nil)...)
	}
	return list
}

// plan puts questions to one query into sets of its first form from one on that may be used now, and
// what remains into requests of one. The cause is why no earlier form did, for when there is no way
// left.
func (n *inquiry) plan(query, from int, questions []*question, cause error) []request {
	if len(questions) == 0 {
		return nil
	}
	config, _ := n.query(query)
	if len(questions) > 1 || config.NeedsUpload() {
		for form := from; form < len(config.Batch); form++ {
			if why := n.unusable(query, form); why != nil {
				cause = cmp.Or(cause, why)
				continue
			}
			return n.sets(query, form, questions)
		}
	}
	if config.NeedsUpload() {
		n.fail(questions, cause)
		return nil
	}
	return alone(query, questions)
}

func alone(query int, questions []*question) []request {
	list := make([]request, len(questions))
	for i, q := range questions {
		list[i] = request{query: query, alone: q}
	}
	return list
}

// unusable says why a form may not be used now. That is nothing that its sources could do about: where
// no other way is left, they could not be asked.
func (n *inquiry) unusable(query, form int) error {
	config, enrichment := n.query(query)
	if why := unfit(config, config.Batch[form], enrichment); why != "" {
		return fault.New(fault.Invalid, why, "")
	}
	limit := maxFormRefusals
	if config.NeedsUpload() {
		limit = maxLastFormRefusals
	}
	if refused := n.forms.count(formID{query, form}); refused >= limit {
		return fault.New(fault.Unavailable, fmt.Sprintf("the archive refused %d requests of this kind since the tick began", refused), "correct the query's batch")
	}
	if config.Batch[form].InList {
		return nil
	}
	client, err := n.engine.archives.Client(n.project, config.Adapter)
	if err == nil && n.engine.uploads.refuses(client.URL(), n.engine.ledger.Now()) {
		err = fault.New(fault.Unavailable, fmt.Sprintf("archive %s takes no uploads", config.Adapter), "give the query a template for one source, or a form with in_list")
	}
	return err
}

// unfit says why a form cannot stand for asking one by one; "" where it can. The forms of an enrichment
// know the SBID only.
func unfit(q configs.Query, f configs.BatchForm, enrichment bool) string {
	if !enrichment {
		return ""
	}
	if name := q.KeyVariable(f, true); name != configs.VarSBID {
		return fmt.Sprintf("enrichment %q: its batch asks for {%s}, and can ask for {%s} only", q.Name, name, configs.VarSBID)
	}
	for _, p := range q.Placeholders() {
		if p.Name != configs.VarSBID {
			return fmt.Sprintf("enrichment %q: its template asks for {%s}, which its batch cannot", q.Name, p.Name)
		}
	}
	return ""
}

// sets puts questions into requests of a form, by their keys. Those whose key cannot be told from
// another's, or that the form cannot hold, are asked alone.
func (n *inquiry) sets(query, form int, questions []*question) []request {
	keys, rest := n.keys(query, form, questions)
	var list []request
	for _, group := range n.cut(query, form, keys) {
		list = append(list, n.set(query, form, group))
	}
	for _, q := range rest {
		list = append(list, n.set(query, form, []key{{value: n.value(form, q), questions: []*question{q}}}))
	}
	return list
}

// set is a request for some keys; a single question needs no form, unless its query does.
func (n *inquiry) set(query, form int, keys []key) request {
	config, _ := n.query(query)
	if len(keys) == 1 && len(keys[0].questions) == 1 && !config.NeedsUpload() {
		return request{query: query, alone: keys[0].questions[0]}
	}
	return request{query: query, form: form, keys: keys}
}

// value gives what a form asks for about a question.
func (n *inquiry) value(form int, q *question) string {
	config, enrichment := n.query(q.query)
	return q.vars[config.KeyVariable(config.Batch[form], enrichment)]
}

// keys groups questions by the value that a form asks for, sorted. The rest are those that this cannot
// be done for: a value that the form cannot hold; one that is another's in another case, or but for
// characters beyond ASCII, which archives may not tell apart; and a second question with the same value
// that the form would ask something else about.
func (n *inquiry) keys(query, form int, questions []*question) (keys []key, rest []*question) {
	config, enrichment := n.query(query)
	used := uploadedVariables(config, config.Batch[form], questions[0].vars, enrichment)
	at, twins := map[string]int{}, map[string]int{}
	for _, q := range questions {
		value := n.value(form, q)
		i, known := at[value]
		switch {
		case !n.holds(form, q, value):
			rest = append(rest, q)
		case !known:
			at[value] = len(keys)
			keys = append(keys, key{value: value, questions: []*question{q}})
			twins[folded(value)]++
		case sameVars(keys[i].questions[0].vars, q.vars, used):
			keys[i].questions = append(keys[i].questions, q)
		default:
			rest = append(rest, q)
		}
	}
	keys = slices.DeleteFunc(keys, func(k key) bool {
		twin := twins[folded(k.value)] > 1
		if twin {
			rest = append(rest, k.questions...)
		}
		return twin
	})
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.value, b.value) })
	return keys, rest
}

// folded gives a text as an archive may know it that tells neither case nor characters beyond ASCII, nor
// one blank from several.
func folded(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.Map(func(r rune) rune {
		switch {
		case r >= utf8.RuneSelf:
			return '?'
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// holds reports whether a form can carry a question's value, and give it back as it was.
func (n *inquiry) holds(form int, q *question, value string) bool {
	config, _ := n.query(q.query)
	f := config.Batch[form]
	if value == "" || strings.TrimSpace(value) != value {
		return false
	}
	if f.InList {
		_, err := config.SetADQL(f, []string{value})
		return err == nil
	}
	if f.Numeric && !wholeNumber(value) {
		return false
	}
	for _, text := range q.vars {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return false
		}
	}
	return true
}

// wholeNumber tells whether a text is how an archive writes the whole number that it is: what comes back is
// dealt by its exact text.
func wholeNumber(text string) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && strconv.FormatInt(n, 10) == text
}

// uploadedVariables gives the variables, beside the key's, that an upload form's template names.
func uploadedVariables(q configs.Query, f configs.BatchForm, vars map[string]string, enrichment bool) []string {
	if f.InList || enrichment {
		return nil
	}
	words := map[string]bool{}
	for _, t := range templateTokens(q.SetTemplate(f)) {
		if t.kind == word || t.kind == quoted {
			words[strings.ToLower(t.text)] = true
		}
	}
	variable := q.KeyVariable(f, false)
	var used []string
	for name := range vars {
		if name != variable && words[strings.ToLower(name)] {
			used = append(used, name)
		}
	}
	return used
}

func sameVars(a, b map[string]string, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return a[name] != b[name] })
}

// cut divides keys into groups that a form may ask for in one request, by number and by size.
func (n *inquiry) cut(query, form int, keys []key) [][]key {
	config, enrichment := n.query(query)
	f := config.Batch[form]
	empty := len(config.SetTemplate(f)) + requestBytes
	var groups [][]key
	from, size := 0, empty
	for i, k := range keys {
		more := keyBytes(f, k, enrichment)
		if i > from && (i-from == f.Rows() || size+more > f.Bytes()) {
			groups = append(groups, keys[from:i])
			from, size = i, empty
		}
		size += more
	}
	if from < len(keys) {
		groups = append(groups, keys[from:])
	}
	return groups
}

// requestBytes is what a request has around its query and its values: parameters, and in an upload the
// head of the table.
const requestBytes = 2 << 10

// keyBytes estimates what a key adds to a request, rather too much than too little.
func keyBytes(f configs.BatchForm, k key, enrichment bool) int {
	escaped := func(text string) int {
		return len(text) + 4*strings.Count(text, "&") + 3*strings.Count(text, "<") + 3*strings.Count(text, ">")
	}
	if f.InList {
		return len(k.value) + strings.Count(k.value, "'") + len("'',")
	}
	size := len("<TR></TR>\n")
	for name, text := range k.questions[0].vars {
		if !enrichment || name == configs.VarSBID {
			size += len("<TD></TD>") + escaped(text)
		}
	}
	return size
}
