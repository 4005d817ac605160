package configs

// InventorySchema is the one output inventory that output_verification knows.
const InventorySchema = "wallaby-hires-output-inventory/v1"

const (
	defaultCanonical    = "source_identifier"
	defaultManifestPath = "manifest.json"
)

// Names that bring our extension blocks with them, because the predecessor gave them a meaning.
const (
	coordinatesQueryName     = "ra_dec_vsys"
	evaluationEnrichmentName = "sbid_to_eval_file"
)

func newProject() *Project {
	return &Project{
		Adapters:           Adapters{Tap: Tap{TimeoutSeconds: 30, Retries: 1}},
		OutputVerification: OutputVerification{InventorySchema: InventorySchema},
		Automation:         Automation{Execution: newExecutionAutomation(), Discovery: newDiscoveryAutomation()},
	}
}

func newDiscoveryAutomation() DiscoveryAutomation {
	return DiscoveryAutomation{TickDiscoverySourceLimit: 200, BatchSize: 5, StaleAfterHours: 24, ClaimTTLMinutes: 180}
}

func newExecutionAutomation() ExecutionAutomation {
	return ExecutionAutomation{
		ArchiveName:                 "casda",
		MaxSourcesPerExecution:      20,
		TickExecutionSourceLimit:    500,
		TickExecutionRunLimit:       20,
		MinSourcesToTrigger:         1,
		MaxWaitMinutes:              1440,
		ClaimTTLMinutes:             180,
		SlurmRemotePollMaxRounds:    480,
		RestRemotePollMaxRounds:     240,
		RestRemotePollIntervalSecs:  3,
		SlurmRemotePollIntervalSecs: 30,
	}
}

func newCoordinates() *Coordinates {
	return &Coordinates{
		RA:       "RAJ2000",
		Dec:      "DEJ2000",
		Velocity: []string{"RVmom", "RV50max", "RV50min"},
		RAFormat: FormatDegrees,
		Targets:  CoordinateTargets{RA: "ra_string", Dec: "dec_string", Velocity: "vsys"},
	}
}

func newEvaluation() *Evaluation {
	return &Evaluation{
		Filename:  "evaluation_file",
		AccessURL: "evaluation_file_access_url",
		Prefix:    evaluationPrefix + "{sbid}_",
		Required:  true,
	}
}

// addImpliedBlocks fills in the coordinates and evaluation blocks that a document of the predecessor
// means by the name of a query.
func (p *Project) addImpliedBlocks() {
	m := &p.Discovery.PrepareMetadata
	if m.Coordinates == nil && named(p.Discovery.Queries, coordinatesQueryName) {
		m.Coordinates = newCoordinates()
		m.Coordinates.Query = coordinatesQueryName
	}
	if m.Evaluation == nil && named(p.Discovery.Enrichments, evaluationEnrichmentName) {
		m.Evaluation = newEvaluation()
		m.Evaluation.Enrichment = evaluationEnrichmentName
	}
}

func named(queries []Query, name string) bool {
	for _, q := range queries {
		if q.Name == name {
			return true
		}
	}
	return false
}
