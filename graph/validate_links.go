package graph

import "fmt"

func (v *validator) links() {
	for i, link := range v.g.Links() {
		from, fromOK := v.end(i, "from", link.From)
		to, toOK := v.end(i, "to", link.To)
		if fromOK {
			v.port(i, "fromPort", from, link.FromPort, Field.gives, "an output port (OutputPort or InputOutput)")
		}
		if toOK {
			v.port(i, "toPort", to, link.ToPort, Field.takes, "an input port (InputPort or InputOutput)")
		}
		if fromOK && toOK {
			v.alternate(i, from, to)
		}
	}
}

func (v *validator) link(i int, key string, n *Node, code, message, hint string) {
	p := Problem{Path: fmt.Sprintf("%s[%d]", keyLinks, i), Code: code, Message: message, Hint: hint}
	if key != "" {
		p.Path += "." + key
	}
	if n != nil {
		p.NodeID, p.NodeName = n.ID, n.Name
	}
	v.report(p)
}

// end finds the node at one end of a link, and whether anything can be linked to it.
func (v *validator) end(i int, key, id string) (*Node, bool) {
	at, ok := v.g.byID[id]
	if !ok {
		v.link(i, key, nil, "unknown_link_end", fmt.Sprintf("link %s node %q, which is not in the graph", key, clip(id)), "delete the link in EAGLE and draw it again")
		return nil, false
	}
	n := &v.nodes[at]
	if n.side() != sideNone {
		return n, true
	}
	hint := "link the nodes inside it instead"
	if n.kind() == kindScatter {
		hint = "give the Scatter an input application, or link the nodes inside it"
	}
	v.link(i, key, n, "cannot_be_linked", fmt.Sprintf("%s construct %s cannot be linked", clip(n.Category), n.label()), hint)
	return n, false
}

func (v *validator) port(i int, key string, n *Node, id string, fits func(Field) bool, want string) {
	if n.side() == sideUnknown {
		return
	}
	ports, ok := v.byPort[n]
	if !ok {
		ports = n.portsByID()
		v.byPort[n] = ports
	}
	f, ok := ports[id]
	switch {
	case id == "" || !ok:
		v.link(i, key, n, "unknown_port", fmt.Sprintf("port %q is not on node %s", clip(id), n.label()), "delete the link in EAGLE and draw it again")
	case !fits(f):
		v.link(i, key, n, "wrong_port_direction", fmt.Sprintf("port %q of node %s has usage %q, expected %s", clip(f.Name), n.label(), clip(f.Usage), want),
			"change the usage of the port, or draw the link to another")
	}
}

// alternate holds links to the rule that applications and data take turns.
func (v *validator) alternate(i int, from, to *Node) {
	a, b := from.side(), to.side()
	if a == sideUnknown || b == sideUnknown || a != b {
		return
	}
	two, between := "applications", "data node (Memory or File)"
	if a == sideData {
		two, between = "data nodes", "application"
	}
	v.link(i, "", from, "no_alternation", fmt.Sprintf("link joins two %s, %s and %s", two, from.label(), to.label()), "put one "+between+" between them")
}

// configuration checks what the translator will lay over the fields. Only the active one counts.
func (v *validator) configuration() {
	id := text(v.g.doc[keyActiveConfig])
	configs := object(v.g.doc[keyConfigs])
	if id == "" || len(configs) == 0 {
		return
	}
	path := keyConfigs + "." + clip(id)
	config, ok := configs[id].(map[string]any)
	if !ok {
		v.report(Problem{
			Path: keyActiveConfig, Severity: SeverityWarning, Code: "unknown_configuration",
			Message: fmt.Sprintf("active configuration %q is not in graphConfigurations: the graph runs with its base values", clip(id)),
			Hint:    "choose the configuration again in EAGLE, or set activeGraphConfigId to null",
		})
		return
	}
	nodes := object(config["nodes"])
	for _, nodeID := range unionKeys(nodes, nil) {
		at, ok := v.g.byID[nodeID]
		if !ok {
			v.report(Problem{
				Path: path + ".nodes." + clip(nodeID), Severity: SeverityWarning, Code: "configuration_unknown_node",
				Message: fmt.Sprintf("configuration %q sets fields of node %q, which is not in the graph", clip(id), clip(nodeID)),
				Hint:    "remove the node from the configuration in EAGLE",
			})
			continue
		}
		v.configured(path, &v.nodes[at], object(object(nodes[nodeID])[keyFields]))
	}
}

func (v *validator) configured(path string, n *Node, fields map[string]any) {
	known := make(map[string]bool, len(n.Fields))
	for _, f := range n.Fields {
		known[f.ID] = true
	}
	for _, fieldID := range unionKeys(fields, nil) {
		p := Problem{Path: path + ".nodes." + clip(n.ID) + ".fields." + clip(fieldID), NodeID: n.ID, NodeName: n.Name}
		if !known[fieldID] {
			p.Code = "configuration_unknown_field"
			p.Message = fmt.Sprintf("the active configuration sets field %q, which node %s does not have", clip(fieldID), n.label())
			p.Hint = "remove the field from the configuration in EAGLE"
			v.report(p)
		} else if _, ok := object(fields[fieldID])[propertyValue]; !ok {
			p.Severity, p.Code = SeverityWarning, "configuration_without_value"
			p.Message = fmt.Sprintf("the active configuration names field %q of node %s without a value", clip(fieldID), n.label())
			p.Hint = "give the field a value in the configuration, or remove it"
			v.report(p)
		}
	}
}
