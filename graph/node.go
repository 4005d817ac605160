package graph

// Node is a node of a logical graph, read for use; the document keeps the rest of its keys.
type Node struct {
	ID, Name, Category, CategoryType string
	ParentID                         string // the enclosing construct; "" at top level
	IsGroup                          bool   // a construct
	Fields                           []Field

	// The applications embedded in a construct. A type of "None" or "UnknownApplication" reads as "".
	InputAppID, InputAppName, InputAppType    string
	InputAppFields                            []Field
	OutputAppID, OutputAppName, OutputAppType string
	OutputAppFields                           []Field
}

// Field is a parameter or port of a node. Value and Default are as in the document: no graph
// configuration laid over them, no default taken.
type Field struct {
	ID, Name, Type string
	ParameterType  string // ComponentParameter, ApplicationArgument, ConstraintParameter, ConstructParameter
	Usage          string // NoPort, InputPort, OutputPort, InputOutput
	Encoding       string
	Value, Default any
}

// IsPort says whether links may end at the field.
func (f Field) IsPort() bool { return f.takes() || f.gives() }

func (f Field) takes() bool { return f.Usage == "InputPort" || f.Usage == "InputOutput" }
func (f Field) gives() bool { return f.Usage == "OutputPort" || f.Usage == "InputOutput" }

// Nodes gives the nodes in document order. The values in their fields belong to the graph: read
// them only.
func (g *Graph) Nodes() []Node {
	nodes := make([]Node, len(g.nodes))
	for i, raw := range g.nodes {
		nodes[i] = readNode(raw)
	}
	return nodes
}

func readNode(raw map[string]any) Node {
	group, _ := raw["isGroup"].(bool)
	return Node{
		ID:              text(raw["id"]),
		Name:            text(raw["name"]),
		Category:        text(raw["category"]),
		CategoryType:    text(raw["categoryType"]),
		ParentID:        text(raw["parentId"]),
		IsGroup:         group,
		Fields:          readFields(raw, keyFields),
		InputAppID:      text(raw["inputApplicationId"]),
		InputAppName:    text(raw["inputApplicationName"]),
		InputAppType:    appType(raw["inputApplicationType"]),
		InputAppFields:  readFields(raw, keyInputFields),
		OutputAppID:     text(raw["outputApplicationId"]),
		OutputAppName:   text(raw["outputApplicationName"]),
		OutputAppType:   appType(raw["outputApplicationType"]),
		OutputAppFields: readFields(raw, keyOutputFields),
	}
}

func appType(v any) string {
	switch t := text(v); t {
	case "None", "UnknownApplication":
		return ""
	default:
		return t
	}
}

func readFields(node map[string]any, key string) []Field {
	raws, _ := objects(node, key) // the shape was checked by Parse
	fields := make([]Field, len(raws))
	for i, raw := range raws {
		fields[i] = Field{
			ID:            text(raw["id"]),
			Name:          text(raw["name"]),
			Type:          text(raw["type"]),
			ParameterType: text(raw["parameterType"]),
			Usage:         text(raw["usage"]),
			Encoding:      text(raw["encoding"]),
			Value:         raw["value"],
			Default:       raw["defaultValue"],
		}
	}
	return fields
}

// portsByID indexes all fields that links may name; the first of several with one id counts. The
// translator knows no ports of an output application.
func (n *Node) portsByID() map[string]Field {
	out := map[string]Field{}
	for _, fields := range [][]Field{n.Fields, n.InputAppFields} {
		for _, f := range fields {
			if _, known := out[f.ID]; !known {
				out[f.ID] = f
			}
		}
	}
	return out
}

// label names a node in messages.
func (n *Node) label() string {
	return `"` + clip(n.Name) + `" (node ` + clip(n.ID) + `)`
}

// Link joins an output port to an input port. Direction alternates between applications and data.
type Link struct{ From, FromPort, To, ToPort string }

// Links gives the links in document order.
func (g *Graph) Links() []Link {
	links := make([]Link, len(g.links))
	for i, raw := range g.links {
		links[i] = Link{
			From: text(raw["from"]), FromPort: text(raw["fromPort"]),
			To: text(raw["to"]), ToPort: text(raw["toPort"]),
		}
	}
	return links
}
