// Package configs reads project configs: what a survey wants.
//
// A project config is one YAML (or JSON) document: which archives are asked and how, how rows become
// metadata records, what a manifest looks like, how the graph is patched, and how much may run by
// itself. The form is the predecessor's, apiVersion beampipe.dev/v2 (and v1, with a warning), plus a
// few extension keys of ours; docs/survey.md lists every key.
//
//	project, report := configs.Load(raw, "survey.yaml")
//	if err := report.Err(); err != nil {
//		return err // names file, line, column and what was expected
//	}
//	if refused := project.RefuseDiscovery(); len(refused) > 0 { /* loadable, but cannot run */ }
//
// Severity: what the predecessor's validator called an error is an error here. What is checked in
// addition is a warning in the Report, and is refused by RefuseDiscovery or RefuseExecution when it
// would run.
package configs
