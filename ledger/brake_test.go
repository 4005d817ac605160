package ledger

import (
	"testing"

	"beampipe/fault"
)

func TestTheBrakeIsPulledOnceAndReleasedWithAReason(t *testing.T) {
	f := newFixture(t)
	brake := func(reason string) (braked bool) {
		f.write(func(tx *Tx) (err error) { braked, err = tx.Brake(project, reason); return err })
		return braked
	}
	release := func(reason string) (released bool, err error) {
		err = f.try(func(tx *Tx) (err error) { released, err = tx.ReleaseBrake(project, reason, person); return err })
		return released, err
	}
	before := f.head()
	if released, err := release("none is on"); released || err != nil {
		t.Errorf("%v %v", released, err)
	}
	if !brake("30 of 100 changed") || brake("40 of 100 changed") {
		t.Error("it is pulled once")
	}
	if p, err := f.view().Project(project); err != nil || p.BrakeAt == nil || p.BrakeReason != "30 of 100 changed" {
		t.Errorf("%+v %v", p, err)
	}
	_, err := release("")
	wantKind(t, err, fault.Invalid, "no reason")
	if released, err := release("a re-reduction"); !released || err != nil {
		t.Errorf("%v %v", released, err)
	}
	if p, err := f.view().Project(project); err != nil || p.BrakeAt != nil || p.BrakeReason != "" {
		t.Errorf("%+v %v", p, err)
	}
	if got := f.eventTypes(before); got != "project.braked project.brake_released" {
		t.Errorf("events %s", got)
	}
	for what, try := range map[string]func(tx *Tx) (bool, error){
		"brake":   func(tx *Tx) (bool, error) { return tx.Brake("none", "x") },
		"release": func(tx *Tx) (bool, error) { return tx.ReleaseBrake("none", "x", person) },
	} {
		t.Run(what, func(t *testing.T) {
			wantKind(t, f.try(func(tx *Tx) error { _, err := try(tx); return err }), fault.NotFound)
		})
	}
}
