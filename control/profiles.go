package control

import (
	"context"
	"encoding/json"

	"beampipe/ledger"
	"beampipe/profiles"
)

// ValidateProfile implements Profiles.
func (c *Local) ValidateProfile(_ context.Context, f ProfileFile) (ProfileReport, error) {
	p, err := profiles.Load(f.Content, f.Name)
	if err != nil {
		return ProfileReport{}, err
	}
	return ProfileReport{At: c.now(), File: f.Name, Name: p.Name, Kind: p.Deployment.Kind, Digest: p.Digest(), Warnings: notBuilt(p)}, nil
}

// notBuilt tells what this build cannot submit to; such a profile still loads.
func notBuilt(p *profiles.Profile) []string {
	if err := p.Built(); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// AddProfile implements Profiles.
func (c *Local) AddProfile(ctx context.Context, f ProfileFile) (ProfileAdded, error) {
	if err := c.needLedger(); err != nil {
		return ProfileAdded{}, err
	}
	p, err := profiles.Load(f.Content, f.Name)
	if err != nil {
		return ProfileAdded{}, err
	}
	n := ledger.Profile{Name: p.Name, Digest: p.Digest(), Spec: p.Canonical(), IsDefault: p.IsDefault}
	if p.ProjectModule != nil {
		n.Project = *p.ProjectModule
	}
	answer := ProfileAdded{Name: p.Name, Digest: n.Digest, IsDefault: p.IsDefault, Project: n.Project, Target: p.Target(), Warnings: notBuilt(p)}
	err = c.ledger.Write(ctx, func(tx *ledger.Tx) error {
		stored, added, err := tx.AddProfile(n, c.o.Actor)
		answer.Revision, answer.Added = stored.Revision, added
		return err
	})
	answer.At = c.now()
	return answer, err
}

// RenderProfile implements Profiles.
func (c *Local) RenderProfile(ctx context.Context, name string) (ProfileRendered, error) {
	_, p, err := c.profile(ctx, name)
	if err != nil {
		return ProfileRendered{}, err
	}
	return ProfileRendered{At: c.now(), Name: name, Text: p.Render()}, nil
}

func (c *Local) profile(ctx context.Context, name string) (ledger.Profile, *profiles.Profile, error) {
	if err := c.needLedger(); err != nil {
		return ledger.Profile{}, nil, err
	}
	stored, err := c.ledger.View(ctx).Profile(name)
	if err != nil {
		return stored, nil, err
	}
	p, err := profiles.FromCanonical(stored.Spec)
	return stored, p, err
}

func (c *Local) profileStatus(v ledger.View, stored ledger.Profile) (ProfileStatus, error) {
	p, err := profiles.FromCanonical(stored.Spec)
	if err != nil {
		return ProfileStatus{}, err
	}
	s := ProfileStatus{Profile: stored, Kind: p.Deployment.Kind, Target: p.Target(), MaxConcurrent: p.MaxConcurrent}
	if err := p.Built(); err != nil {
		s.Unsupported = err.Error()
	}
	s.InFlight, err = v.CountInFlight("", stored.Name)
	return s, err
}

// ListProfiles implements Profiles.
func (c *Local) ListProfiles(ctx context.Context) (ProfileList, error) {
	if err := c.needLedger(); err != nil {
		return ProfileList{}, err
	}
	v := c.ledger.View(ctx)
	list := ProfileList{At: v.Now(), Profiles: []ProfileStatus{}}
	stored, err := v.Profiles()
	if err != nil {
		return list, err
	}
	for _, p := range stored {
		s, err := c.profileStatus(v, p)
		if err != nil {
			return list, err
		}
		list.Profiles = append(list.Profiles, s)
	}
	return list, nil
}

// ShowProfile implements Profiles.
func (c *Local) ShowProfile(ctx context.Context, name string) (ProfileDetail, error) {
	stored, _, err := c.profile(ctx, name)
	if err != nil {
		return ProfileDetail{}, err
	}
	v := c.ledger.View(ctx)
	status, err := c.profileStatus(v, stored)
	if err != nil {
		return ProfileDetail{}, err
	}
	d := ProfileDetail{At: v.Now(), ProfileStatus: status}
	return d, json.Unmarshal(stored.Spec, &d.Spec)
}
