package ledger

import (
	"fmt"
	"strconv"
	"strings"
)

// binds collects the arguments of a query by number, so that its text may name one more than once.
type binds struct{ args []any }

func (b *binds) add(v any) string {
	b.args = append(b.args, v)
	return "?" + strconv.Itoa(len(b.args))
}

// merge is a list that is read from groups. The rows of a group are alike in some columns, and an index
// over these columns and a key holds each group in the list's order. The query keeps a queue with the next
// row of every group, gives the first of them, and puts the one behind it into the queue. So it costs one
// look into the index for each group and for each row that it gives, whatever the groups hold. The rows come
// in the order of the queue, which CROSS JOIN keeps (sqlite.org/lang_with.html, "Controlling Depth-First").
type merge struct {
	table  string   // what has the groups
	index  string   // of the table, over the columns of a group and the key; named, whatever statistics say
	key    string   // the column in whose order a group is
	alike  []string // the columns that are alike within a group
	groups string   // a SELECT of the groups to read, by these columns
	lead   string   // what comes before the key in the list's order: a column of the groups, as page.g_NAME
	desc   bool     // the greatest key first

	low, high string // the keys to read: from low to before high; of low, g is the group
	also      string // further conditions on i, the row of the table, that are part of its index

	columns string // what is read of each row
	from    string // where that is read: a table and how it is joined to page.key
	where   string // further conditions on it, for groups of few rows
	limit   string // "" = all
}

func (m merge) text() string {
	pick, order := "min", "1 ASC"
	key := "i." + m.key
	behind := key + " > page.key AND " + key + " < " + m.high
	if m.desc {
		pick, order = "max", "1 DESC"
		behind = key + " < page.key AND " + key + " >= " + m.low
	}
	if m.lead != "" {
		order = m.lead + ", " + order
	}
	next := func(group, cond string) string {
		conds := []string{cond}
		for _, column := range m.alike {
			conds = append(conds, "i."+column+" = "+group+column)
		}
		if m.also != "" {
			conds = append(conds, m.also)
		}
		return fmt.Sprintf("(SELECT %s(%s) FROM %s i INDEXED BY %s WHERE %s)", pick, key, m.table, m.index, and(conds))
	}
	list := func(prefix string) string { return prefix + strings.Join(m.alike, ", "+prefix) }
	text := fmt.Sprintf(`WITH RECURSIVE page (key, %s) AS (
	SELECT %s, %s FROM (%s) g
	UNION ALL SELECT %s, %s FROM page WHERE page.key IS NOT NULL
	ORDER BY %s)
SELECT %s FROM page CROSS JOIN %s`,
		list("g_"),
		next("g.", key+" >= "+m.low+" AND "+key+" < "+m.high), list("g."), m.groups,
		next("page.g_", behind), list("page.g_"),
		order, m.columns, m.from)
	return text + tail(m.where, "", m.limit)
}

// tail ends a query; empty parts are left out.
func tail(where, order, limit string) string {
	var text string
	if where != "" {
		text += " WHERE " + where
	}
	if order != "" {
		text += " ORDER BY " + order
	}
	if limit != "" {
		text += " LIMIT " + limit
	}
	return text
}

func and(conds []string) string { return strings.Join(conds, " AND ") }

// pairs is a SELECT of the values that the first two columns of the index may have together, of which at
// least one is given ("" = it is not). The values of the other are found in the index, each by one look
// behind the one before.
func (m merge) pairs(first, ofFirst, second, ofSecond string, b *binds) string {
	one, two := b.add(ofFirst), b.add(ofSecond)
	distinct := func(column, among string) string {
		least := func(cond string) string {
			return fmt.Sprintf("(SELECT min(n.%s) FROM %s n INDEXED BY %s WHERE %s AND %s)", column, m.table, m.index, among, cond)
		}
		return fmt.Sprintf("WITH RECURSIVE found (v) AS (SELECT %s UNION ALL SELECT %s FROM found WHERE v IS NOT NULL) SELECT v FROM found WHERE v IS NOT NULL",
			least("true"), least("n."+column+" > found.v"))
	}
	switch {
	case ofFirst == "":
		return fmt.Sprintf("SELECT v AS %s, %s AS %s FROM (%s)", first, two, second, distinct(first, "true"))
	case ofSecond == "":
		return fmt.Sprintf("SELECT %s AS %s, v AS %s FROM (%s)", one, first, second, distinct(second, "n."+first+" = "+one))
	}
	return fmt.Sprintf("SELECT %s AS %s, %s AS %s", one, first, two, second)
}
