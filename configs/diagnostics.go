package configs

import (
	"fmt"
	"strings"

	"beampipe/fault"
)

// Severities of a Diagnostic.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
)

// Codes of the errors, as the predecessor names them.
const (
	CodeInvalidYAML       = "invalid_yaml"
	CodeInvalidValue      = "invalid_config_value"
	CodeInvalidStructure  = "invalid_config_structure"
	CodeLegacyAPIVersion  = "legacy_api_version" // an error for an unknown version, a warning for v1
	CodeInvalidKind       = "invalid_kind"
	CodeRequired          = "required"
	CodeInvalidLimit      = "invalid_limit"
	CodeMutuallyExclusive = "mutually_exclusive"
	CodeInvalidSHA256     = "invalid_sha256"
	CodeInventorySchema   = "unsupported_output_inventory_schema"
	CodeUnknownTransform  = "unknown_transform"
	CodeTransformKind     = "unknown_transform_kind"
	CodeEmptyChain        = "empty_transform_chain"
	CodeMatchKind         = "unknown_graph_patch_match_kind"
	CodeInvalidExpression = "invalid_expression"
	CodeUnknownHook       = "unknown_extension_hook"
)

// Codes of errors in our extension keys.
const (
	CodeInvalidSchedule = "invalid_schedule"
	CodeUnknownQuery    = "unknown_query"
	CodeInvalidChoice   = "invalid_choice"
	CodeInvalidBatch    = "invalid_batch"
	CodeSecretValue     = "secret_not_a_reference"
)

// Codes of what is checked in addition: warnings in a Report. Those that RefuseDiscovery or
// RefuseExecution also give are refused when they would run.
const (
	CodeInvalidID          = "invalid_id"
	CodeMissingQuery       = "missing_query"
	CodeDuplicateName      = "duplicate_name"
	CodeUnknownAdapter     = "unknown_adapter"
	CodeInvalidURL         = "invalid_url"
	CodeMissingSBID        = "missing_sbid_mapping"
	CodeMissingDataset     = "missing_dataset_mapping"
	CodeUnknownPlaceholder = "unknown_placeholder"
	CodeBarePlaceholder    = "bare_placeholder"
	CodeInvalidQuery       = "invalid_query"
	CodeInvalidRegex       = "invalid_regex"
	CodeTransformCycle     = "transform_cycle"
	CodeUnknownFlagPath    = "unknown_flag_path"
	CodeMissingGraph       = "missing_graph"
	CodeUnsupportedHook    = "unsupported_extension_hook"
	CodeInvalidVariable    = "invalid_template_var"

	// Only warnings: nothing is refused for these.
	CodeUnknownFieldPath = "unknown_field_path"
	CodeUnpinnedGraph    = "unpinned_graph"
	CodeDefaultManifest  = "default_manifest"
	CodeIgnoredKey       = "ignored_key"
	CodeLiteralVariable  = "literal_template_var"
	CodeNoFallback       = "no_fallback"
	CodeKeyNotSelected   = "key_not_selected"
	CodeUnusedCredential = "unused_credential"
	CodeClearCredential  = "credential_in_clear"
)

// maxDiagnostics bounds the errors, and apart from them the warnings, of one report.
const maxDiagnostics = 100

// Diagnostic is one finding about a project config.
type Diagnostic struct {
	Path     string `json:"path"` // dotted key: "discovery.queries[1].adapter"
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`    // from 1; 0 when there is no place
	Column   int    `json:"column,omitempty"`  // in characters, from 1
	Excerpt  string `json:"excerpt,omitempty"` // the line at fault with its number
}

// String gives the finding as a compiler would, with the line at fault and a mark under the place.
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(d.File + ":")
	}
	if d.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", d.Line, d.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	fmt.Fprintf(&b, "%s %s: ", d.Severity, d.Code)
	if d.Path != "" && !strings.HasPrefix(d.Path, "line ") { // a syntax error's path is its place
		b.WriteString(d.Path + ": ")
	}
	b.WriteString(d.Message)
	if d.Excerpt != "" {
		b.WriteString("\n" + d.Excerpt)
		if d.Column > 0 && d.Column <= maxExcerpt {
			b.WriteString("\n" + strings.Repeat(" ", excerptMargin) + " | " + strings.Repeat(" ", d.Column-1) + "^")
		}
	}
	if d.Hint != "" {
		b.WriteString("\n   hint: " + d.Hint)
	}
	return b.String()
}

// Report is what Load found.
type Report struct {
	ProjectID string       `json:"project_id"` // also given, where it can be read, for a file that does not load
	Valid     bool         `json:"valid"`      // no errors
	Errors    []Diagnostic `json:"errors"`
	Warnings  []Diagnostic `json:"warnings,omitempty"`
	// SpecSHA256 is Project.Digest, or the digest of the file's bytes when it could not be parsed.
	SpecSHA256 string `json:"spec_sha256"`
	File       string `json:"file,omitempty"`
}

// maxShown bounds the diagnostics in the text of Report.Err.
const maxShown = 5

// Err is nil for a valid report, else one fault.Invalid that names the file and shows the first
// errors with line and column.
func (r Report) Err() error {
	if r.Valid {
		return nil
	}
	shown := make([]string, 0, maxShown+1)
	for _, d := range r.Errors[:min(len(r.Errors), maxShown)] {
		shown = append(shown, d.String())
	}
	if more := len(r.Errors) - maxShown; more > 0 {
		shown = append(shown, fmt.Sprintf("… and %d more", more))
	}
	count := "1 error"
	if len(r.Errors) != 1 {
		count = fmt.Sprintf("%d errors", len(r.Errors))
	}
	return fault.New(fault.Invalid,
		fmt.Sprintf("load project config %s: %s\n%s", r.File, count, strings.Join(shown, "\n")),
		"correct the file, then: beampipe project validate -f "+r.File)
}

// finding is a Diagnostic on its way to its place in the file.
type finding struct {
	Diagnostic
	needle string // a text within the value at Path: the place is where it stands
	placed bool   // Line and Column are already known
}

// findings collects what is wrong, errors and warnings apart, each up to maxDiagnostics.
type findings struct {
	errors, warnings []finding
}

func (f *findings) add(d finding) {
	list := &f.warnings
	if d.Severity == SeverityError {
		list = &f.errors
	}
	if len(*list) < maxDiagnostics {
		*list = append(*list, d)
	}
}

func (f *findings) fail(path, code, message, hint string) {
	f.add(finding{Diagnostic: Diagnostic{Path: path, Severity: SeverityError, Code: code, Message: message, Hint: hint}})
}

func (f *findings) warn(path, code, message, hint string) {
	f.add(finding{Diagnostic: Diagnostic{Path: path, Severity: SeverityWarning, Code: code, Message: message, Hint: hint}})
}
