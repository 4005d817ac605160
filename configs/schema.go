package configs

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema gives the JSON Schema (draft 2020-12) of a v2 project config, for editors. It knows the keys,
// their types and closed lists; what depends on more than one key only Load checks.
func Schema() []byte {
	nameOrChain := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "string"},
		{Type: "array", Items: &jsonschema.Schema{Type: "string"}, MinItems: jsonschema.Ptr(1)},
	}}
	mapping := &jsonschema.Schema{
		Type:                 "object",
		Properties:           map[string]*jsonschema.Schema{"from": {Type: "string"}, "transform": nameOrChain},
		Required:             []string{"from"},
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	schema, err := jsonschema.For[Project](&jsonschema.ForOptions{
		TypeSchemas: map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[Mapping](): mapping},
	})
	if err != nil {
		panic(fmt.Sprintf("configs: Project has no JSON schema: %v", err)) // depends on the type alone
	}
	optional(schema)
	schema.Schema = "https://json-schema.org/draft/2020-12/schema"
	schema.Title = "Beampipe project config"
	schema.Required = []string{"apiVersion", "kind", "metadata", "adapters"}
	restrict(schema)
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("configs: the JSON schema cannot be written: %v", err))
	}
	return append(out, '\n')
}

// optional makes every key of a struct one that may be left out: nearly all have a default.
func optional(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if s.Properties != nil {
		s.Required = nil
	}
	for _, property := range s.Properties {
		optional(property)
	}
	optional(s.Items)
	optional(s.AdditionalProperties)
}

// restrict adds what the Go types do not say.
func restrict(s *jsonschema.Schema) {
	at := func(s *jsonschema.Schema, keys ...string) *jsonschema.Schema {
		for _, key := range keys {
			if s = s.Properties[key]; s.Items != nil {
				s = s.Items
			}
		}
		return s
	}
	at(s, "apiVersion").Enum = []any{APIVersion}
	at(s, "kind").Enum = []any{Kind}
	at(s, "metadata").Required = []string{"id"}
	at(s, "adapters").Required = []string{"required"}
	graph := at(s, "graph")
	graph.Required = []string{"sha256"}
	at(graph, "sha256").Pattern = "^[0-9a-fA-F]{64}$"
	at(graph, "manifest").Enum = []any{ManifestRequired, ManifestNone}
	for _, key := range []string{"queries", "enrichments"} {
		at(s, "discovery", key).Required = []string{"name", "adapter", "template"}
	}
	at(s, "discovery", "prepare_metadata", "coordinates", "ra_format").Enum = []any{FormatDegrees, FormatText}
	at(s, "graph_patches", "match", "kind").Enum = []any{MatchNodeName}
	at(s, "output_verification", "inventory_schema").Enum = []any{InventorySchema}
	at(s, "extension", "hooks").Enum = []any{HookPrepareMetadata, HookManifest, HookGraphPatches}
	transform := at(s, "definitions", "transforms").AdditionalProperties
	transform.Required = []string{"kind"}
	transform.Properties["kind"].Enum = []any{
		TransformIdentity, TransformTrim, TransformLowercase, TransformUppercase, TransformReplace,
		TransformAddPrefix, TransformAddSuffix, TransformStripPrefix, TransformDefault, TransformDigits,
		TransformSplitLast, TransformPresent, TransformRegex, TransformChain, TransformEvaluation,
	}
}
