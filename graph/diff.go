package graph

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// Diff says how b differs from a, down to the property of a field: nodes, fields, links, model data
// and graph configurations that were added, removed or changed. The order of nodes, fields and
// links does not count. The result is sorted by configuration, node name, node id, field, property.
func Diff(a, b *Graph) []Change {
	d := &differ{}
	d.document(a, b)
	d.nodes(a, b)
	d.links(a, b)
	d.configs(a, b)
	slices.SortStableFunc(d.changes, func(x, y Change) int {
		return cmp.Or(
			cmp.Compare(x.Config, y.Config), cmp.Compare(x.NodeName, y.NodeName), cmp.Compare(x.NodeID, y.NodeID),
			cmp.Compare(x.Field, y.Field), cmp.Compare(x.Property, y.Property), cmp.Compare(x.Kind, y.Kind),
			cmp.Compare(text(x.Old), text(y.Old)), cmp.Compare(text(x.New), text(y.New)),
		)
	})
	return d.changes
}

type differ struct{ changes []Change }

// keys compares two objects key by key, except for the keys named, and reports each difference as
// at, with the key as Property.
func (d *differ) keys(at Change, prefix string, a, b map[string]any, except ...string) {
	for _, key := range unionKeys(a, b) {
		if slices.Contains(except, key) {
			continue
		}
		old, had := a[key]
		now, has := b[key]
		if had == has && reflect.DeepEqual(old, now) {
			continue
		}
		c := at
		c.Property, c.Kind, c.Old, c.New = prefix+key, changeKind(had, has), old, now
		d.changes = append(d.changes, c)
	}
}

func (d *differ) document(a, b *Graph) {
	d.keys(Change{}, "", a.doc, b.doc, keyNodes, keyLinks, keyModel, keyConfigs)
	d.keys(Change{}, keyModel+".", object(a.doc[keyModel]), object(b.doc[keyModel]))
}

func (d *differ) nodes(a, b *Graph) {
	before := byKey(a.nodes, "id")
	after := byKey(b.nodes, "id")
	for _, key := range unionKeys(before, after) {
		old, had := before[key]
		now, has := after[key]
		node := now
		if !has {
			node = old
		}
		at := Change{NodeID: text(node["id"]), NodeName: text(node["name"])}
		if had != has {
			at.Kind, at.Old, at.New = changeKind(had, has), old["category"], now["category"]
			d.changes = append(d.changes, at)
			continue
		}
		d.keys(at, "", old, now, keyFields, keyInputFields, keyOutputFields)
		d.fields(at, "", keyFields, old, now)
		d.fields(at, "input application: ", keyInputFields, old, now)
		d.fields(at, "output application: ", keyOutputFields, old, now)
	}
}

// fields compares the fields under one key of a node, matched by id, or by name where they have none.
func (d *differ) fields(at Change, prefix, key string, a, b map[string]any) {
	listA, _ := objects(a, key) // the shape was checked by Parse
	listB, _ := objects(b, key)
	before, after := byKey(listA, "id", "name"), byKey(listB, "id", "name")
	for _, key := range unionKeys(before, after) {
		old, had := before[key]
		now, has := after[key]
		c := at
		c.Field = prefix + text(now["name"])
		if !has {
			c.Field = prefix + text(old["name"])
		}
		if had != has {
			c.Kind, c.Property = changeKind(had, has), propertyValue
			c.Old, c.New = old[propertyValue], now[propertyValue]
			d.changes = append(d.changes, c)
			continue
		}
		d.keys(c, "", old, now)
	}
}

// links counts equal links, so that a doubled one shows.
func (d *differ) links(a, b *Graph) {
	count := map[Link]int{}
	for _, l := range a.Links() {
		count[l]--
	}
	for _, l := range b.Links() {
		count[l]++
	}
	for l, n := range count {
		shown := l.From + " " + l.FromPort + " → " + l.To + " " + l.ToPort
		for ; n < 0; n++ {
			d.changes = append(d.changes, Change{Kind: Removed, Property: "link", Old: shown})
		}
		for ; n > 0; n-- {
			d.changes = append(d.changes, Change{Kind: Added, Property: "link", New: shown})
		}
	}
}

func (d *differ) configs(a, b *Graph) {
	before, after := object(a.doc[keyConfigs]), object(b.doc[keyConfigs])
	for _, id := range unionKeys(before, after) {
		old, had := before[id]
		now, has := after[id]
		if had != has {
			d.changes = append(d.changes, Change{Kind: changeKind(had, has), Config: id})
		}
		if had && has {
			d.keys(Change{Config: id}, "", object(old), object(now), "nodes", keyModel)
			d.keys(Change{Config: id}, keyModel+".", object(object(old)[keyModel]), object(object(now)[keyModel]))
		}
		d.config(id, a, b, object(old), object(now))
	}
}

// config compares the values that one configuration sets; a configuration that is only on one side
// shows all its values.
func (d *differ) config(id string, a, b *Graph, old, now map[string]any) {
	before, after := object(old["nodes"]), object(now["nodes"])
	for _, nodeID := range unionKeys(before, after) {
		oldFields := object(object(before[nodeID])[keyFields])
		newFields := object(object(after[nodeID])[keyFields])
		for _, fieldID := range unionKeys(oldFields, newFields) {
			at := Change{Config: id, NodeID: nodeID}
			at.NodeName, at.Field = b.names(nodeID, fieldID)
			if at.NodeName == "" {
				at.NodeName, at.Field = a.names(nodeID, fieldID)
			}
			d.keys(at, "", object(oldFields[fieldID]), object(newFields[fieldID]), "comment")
		}
	}
}

// names gives the names behind a node id and a field id; the field's id where it has no name.
func (g *Graph) names(nodeID, fieldID string) (node, field string) {
	i, ok := g.byID[nodeID]
	if !ok {
		return "", fieldID
	}
	n := readNode(g.nodes[i])
	if f, ok := n.portsByID()[fieldID]; ok && f.Name != "" {
		return n.Name, f.Name
	}
	return n.Name, fieldID
}

// byKey indexes objects by the first of the keys that they have; equal ones are told apart by their
// place among each other.
func byKey(list []map[string]any, keys ...string) map[string]map[string]any {
	out := make(map[string]map[string]any, len(list))
	seen := map[string]int{}
	for _, item := range list {
		id := ""
		for _, key := range keys {
			if id = text(item[key]); id != "" {
				break
			}
		}
		seen[id]++
		out[id+"#"+strconv.Itoa(seen[id])] = item
	}
	return out
}

func changeKind(had, has bool) ChangeKind {
	switch {
	case !had:
		return Added
	case !has:
		return Removed
	default:
		return Changed
	}
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func unionKeys[V any](a, b map[string]V) []string {
	keys := slices.Collect(maps.Keys(a))
	for key := range b {
		if _, both := a[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
