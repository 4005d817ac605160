package execution

import "encoding/json"

// testGraph is a small logical graph that runs on this machine: the manifest, a scatter whose copies the
// patch sets, and an application that writes a product from the manifest.
func testGraph(command string) []byte {
	field := func(id, name, kind, usage, encoding string, value any) map[string]any {
		return map[string]any{"id": id, "name": name, "type": kind, "usage": usage, "encoding": encoding, "value": value, "defaultValue": value, "parameterType": "ApplicationArgument"}
	}
	node := func(id, name, category, categoryType string, fields ...map[string]any) map[string]any {
		if fields == nil {
			fields = []map[string]any{}
		}
		return map[string]any{"id": id, "name": name, "category": category, "categoryType": categoryType, "fields": fields}
	}
	param := func(f map[string]any) map[string]any { f["parameterType"] = "ComponentParameter"; return f }
	scatter := node("sc", "scatter", "Scatter", "Construct", param(field("sc-n", "num_of_copies", "Integer", "NoPort", "utf-8", 1)))
	scatter["isGroup"] = true
	inner := node("in", "inner", "Memory", "Data")
	inner["parentId"] = "sc"
	doc := map[string]any{
		"modelData": map[string]any{"schemaVersion": "OJS", "filePath": "demo.graph"}, "graphConfigurations": map[string]any{},
		"nodeDataArray": []any{
			node("ing", "beampipe-ingest", "PyFuncApp", "Application",
				field("ing-p", "manifest_path", "String", "NoPort", "utf-8", ""), field("ing-o", "manifest_bytes", "Object", "OutputPort", "binary", "")),
			node("man", "manifest", "File", "Data", param(field("man-f", "filepath", "String", "NoPort", "utf-8", "manifest.txt")), field("man-i", "io", "Object", "InputOutput", "binary", "")),
			node("app", "measure", "BashShellApp", "Application",
				param(field("app-c", "command", "String", "NoPort", "utf-8", command)),
				field("app-i", "manifest", "Object.File", "InputPort", "path", ""), field("app-o", "count", "Object.File", "OutputPort", "path", "")),
			node("out", "product", "File", "Data", param(field("out-f", "filepath", "String", "NoPort", "utf-8", "product.txt")), field("out-i", "count", "Object.File", "InputOutput", "path", "")),
			scatter, inner,
		},
		"linkDataArray": []any{
			map[string]any{"from": "ing", "fromPort": "ing-o", "to": "man", "toPort": "man-i"},
			map[string]any{"from": "man", "fromPort": "man-i", "to": "app", "toPort": "app-i"},
			map[string]any{"from": "app", "fromPort": "app-o", "to": "out", "toPort": "out-i"},
		},
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return raw
}
