package ledger

import (
	"beampipe/fault"
	"beampipe/provenance"
)

// Brake stops a project's admission because too much changed at once; discovery goes on. Braked is false
// when the brake is on already: its first reason stays.
func (tx *Tx) Brake(project, reason string) (braked bool, err error) {
	n, err := tx.exec("brake project "+project, "UPDATE projects SET brake_at = ?, brake_reason = ? WHERE project = ? AND brake_at IS NULL", Stamp(tx.now), reason, project)
	if err != nil {
		return false, err
	}
	if n == 0 {
		_, err := tx.Project(project) // there is none, or it is braked already
		return false, err
	}
	return true, tx.Append(provenance.Event{Type: provenance.ProjectBraked, Project: project, Actor: provenance.ActorDiscovery}, map[string]any{"reason": reason})
}

// ReleaseBrake lets a project admit again; what has changed is then run. Released is false when the brake
// is not on. A reason is needed.
func (tx *Tx) ReleaseBrake(project, reason, actor string) (released bool, err error) {
	if reason == "" {
		return false, fault.New(fault.Invalid, "release the brake of project "+project+": no reason", "say why: --reason TEXT")
	}
	p, err := tx.Project(project)
	if err != nil || p.BrakeAt == nil {
		return false, err
	}
	if err := tx.execOne("release the brake of "+project, "UPDATE projects SET brake_at = NULL, brake_reason = '' WHERE project = ?", project); err != nil {
		return false, err
	}
	return true, tx.Append(provenance.Event{Type: provenance.ProjectBrakeReleased, Project: project, Actor: actor},
		map[string]any{"reason": reason, "braked_at": Stamp(*p.BrakeAt), "brake_reason": p.BrakeReason})
}
