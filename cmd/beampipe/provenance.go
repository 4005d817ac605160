package main

import "github.com/spf13/cobra"

func newProvenanceCmd(a *app) *cobra.Command {
	return group("provenance", "Verify, trace and export what happened", "  beampipe provenance verify",
		provenanceCommands(a)...)
}

func provenanceCommands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newProvenanceHeadCmd(a),
		newProvenanceVerifyCmd(a),
		newProvenanceTraceCmd(a),
		newProvenanceArchiveCmd(a),
		newProvenanceExportCmd(a),
	}
}
