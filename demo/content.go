// Package demo is the survey that ships with Beampipe: its config, profile and graph, and the content of
// an archive, all embedded. It runs the real daemon on them.
package demo

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"beampipe/vo/archive"
)

//go:embed content
var content embed.FS

// Names of what the demo adds to its ledger.
const (
	Project   = "demo_survey"
	graphFile = "demo.graph"
)

// Object is a real HIPASS source: a public identifier and position.
type Object struct {
	Identifier string
	RA, Dec    float64 // J2000, degrees
	Velocity   float64 // km/s
	Derived    bool    // the position is read off the name, the velocity is made up
}

func file(name string) []byte {
	b, err := content.ReadFile("content/" + name)
	if err != nil {
		panic(err) // embedded at build time
	}
	return b
}

// Survey is the demo's project YAML, Profile its deployment profile, Graph its logical graph.
func Survey() []byte { return file("survey.yaml") }

// WallabyForm is a survey in the WALLABY form, of two archives: visibilities in ObsCore, positions in the
// HIPASS catalogue, evaluation files by SBID. With set it asks for many sources at once, else for one at
// a time; signatures are the same. It pins Graph.
func WallabyForm(set bool) []byte {
	if set {
		return file("wallaby-form-set.yaml")
	}
	return file("wallaby-form.yaml")
}

// Profile is the deployment profile that runs on this machine.
func Profile() []byte { return file("profile.json") }

// Graph is the logical graph that the survey pins.
func Graph() []byte { return file(graphFile) }

// Objects lists the 801 sources that ship, in the order of their identifiers.
func Objects() ([]Object, error) {
	r := csv.NewReader(bytes.NewReader(file("sources.csv")))
	r.Comment = '#'
	records, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("embedded sources: %w", err)
	}
	objects := make([]Object, 0, len(records)-1)
	for _, rec := range records[1:] {
		o := Object{Identifier: rec[0], Derived: rec[4] == "name"}
		for i, into := range []*float64{&o.RA, &o.Dec, &o.Velocity} {
			if *into, err = strconv.ParseFloat(rec[i+1], 64); err != nil {
				return nil, fmt.Errorf("embedded sources: %s: %w", rec[0], err)
			}
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// Data is what an archive holds.
type Data struct {
	Observations []archive.Observation
	Evaluations  []archive.Evaluation
	Catalogue    []archive.CatalogueEntry
}

// Observe adds an observation of an object under an SBID: one file per beam and the SBID's evaluation
// file.
func (d *Data) Observe(o Object, sbid, beams int) {
	day := 59000 + float64(sbid%1000)
	obs := fmt.Sprintf("ASKAP-%d", sbid)
	for beam := range beams {
		name := fmt.Sprintf("%s_SB%d_beam%02d_10arc_split.ms.tar", o.Identifier, sbid, beam)
		d.Observations = append(d.Observations, archive.Observation{
			Filename: name, ObsID: obs, PublisherDID: fmt.Sprintf("ivo://demo/observation#scan-%d-%02d", sbid, beam), Collection: "WALLABY",
			AccessURL: "http://archive.invalid/datalink/links?ID=" + name, TargetName: o.Identifier, Filesize: int64(1e9) + int64(beam),
			RA: o.RA, Dec: o.Dec, TMin: day, TMax: day + 0.3, Released: "2026-01-01T00:00:00Z",
		})
	}
	d.Evaluations = append(d.Evaluations, archive.Evaluation{
		SBID: strconv.Itoa(sbid), Filename: fmt.Sprintf("calibration-metadata-processing-logs-SB%d_2026-01-01-000000.tar", sbid),
		Format: "calibration", AccessURL: fmt.Sprintf("http://archive.invalid/evaluation/%d", sbid), Filesize: 4096 + int64(sbid),
	})
}

// List adds an object to the catalogue of positions and velocities.
func (d *Data) List(o Object) {
	low, high, mean := o.Velocity-50, o.Velocity+50, o.Velocity
	ra, dec := o.RA, o.Dec
	d.Catalogue = append(d.Catalogue, archive.CatalogueEntry{
		HIPASS: strings.TrimPrefix(o.Identifier, "HIPASS"), RAJ2000: &ra, DEJ2000: &dec, RV50max: &high, RV50min: &low, RVmom: &mean,
	})
}
