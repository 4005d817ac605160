package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"beampipe/control"
)

func newProfileCmd(a *app) *cobra.Command {
	return group("profile", "Deployment profiles: where and how runs go", "  beampipe profile add -f local.json",
		newProfileAddCmd(a), newProfileValidateCmd(a), newProfileRenderCmd(a), newProfileListCmd(a), newProfileShowCmd(a))
}

// profileFile reads a profile's JSON.
func (a *app) profileFile(ctx context.Context, path string) (control.ProfileFile, error) {
	content, err := a.readInput(ctx, path, "profile", maxConfigBytes)
	if path == "-" {
		path = "stdin"
	}
	return control.ProfileFile{Name: path, Content: content}, err
}

func newProfileAddCmd(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "add -f FILE",
		Short:   "Add a profile, or a new revision of one",
		Example: "  beampipe profile add -f local.json",
		Args:    arguments(0, 0, "no argument: the file is named with -f"),
		RunE: a.with(onLedger, func(ctx context.Context, c control.Control, _ []string) error {
			f, err := a.profileFile(ctx, file)
			if err != nil {
				return err
			}
			answer, err := c.AddProfile(ctx, f)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.profileAdded(answer) })
		}),
	}
	fileFlag(cmd, &file, "the profile's JSON `FILE` (- = stdin)")
	return cmd
}

func newProfileValidateCmd(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "validate -f FILE",
		Short:   "Check a profile file; needs no ledger",
		Example: "  beampipe profile validate -f slurm.json",
		Args:    arguments(0, 0, "no argument: the file is named with -f"),
		RunE: a.with(onFiles, func(ctx context.Context, c control.Control, _ []string) error {
			f, err := a.profileFile(ctx, file)
			if err != nil {
				return err
			}
			answer, err := c.ValidateProfile(ctx, f)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) {
				p.line("%s (%s)   %s: %s", answer.File, answer.Name, p.green("valid"), answer.Kind)
				p.field("profile", "%s", short(answer.Digest))
				p.warnings(answer.Warnings)
			})
		}),
	}
	fileFlag(cmd, &file, "the profile's JSON `FILE` (- = stdin)")
	return cmd
}

func newProfileRenderCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "render NAME",
		Short:   "A profile as it will be used, its defaults filled in",
		Example: "  beampipe profile render local",
		Args:    arguments(1, 1, "one profile"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			answer, err := c.RenderProfile(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.line("%s", answer.Text) })
		}),
	}
}

func newProfileListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "All profiles and how many runs are in flight on each",
		Example: "  beampipe profile list",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, _ []string) error {
			answer, err := c.ListProfiles(ctx)
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.profileList(answer) })
		}),
	}
}

func newProfileShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "One profile with its content",
		Example: "  beampipe profile show local",
		Args:    arguments(1, 1, "one profile"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			answer, err := c.ShowProfile(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.profileDetail(answer) })
		}),
	}
}

func (p *page) profileAdded(a control.ProfileAdded) {
	if a.Added {
		p.line("%s   revision %d added", p.bold(a.Name), a.Revision)
	} else {
		p.line("%s   nothing to do: this is its active revision %d already", p.bold(a.Name), a.Revision)
	}
	p.field("runs at", "%s", a.Target)
	p.field("default", "%s", defaultFor(a.IsDefault, a.Project))
	p.warnings(a.Warnings)
}

func (p *page) warnings(list []string) {
	for _, w := range list {
		p.line("  %s", p.yellow("warning: "+w))
	}
}

func defaultFor(is bool, project string) string {
	switch {
	case is && project != "":
		return "of project " + project
	case is:
		return "of every project without its own"
	case project != "":
		return "no; only for project " + project
	}
	return "no"
}

func (p *page) profileList(l control.ProfileList) {
	if len(l.Profiles) == 0 {
		p.line("no profile; add one with: beampipe profile add -f profile.json")
		return
	}
	var rows [][]any
	for _, s := range l.Profiles {
		rows = append(rows, []any{s.Name, s.Revision, s.Kind, s.Target, used(s), defaultFor(s.IsDefault, s.Project), p.yellow(cut(s.Unsupported, 60))})
	}
	p.table("", []string{"PROFILE", "REVISION", "KIND", "RUNS AT", "IN FLIGHT", "DEFAULT", "WARNING"}, rows)
}

func used(s control.ProfileStatus) string {
	if s.MaxConcurrent == nil {
		return fmt.Sprint(s.InFlight)
	}
	return fmt.Sprintf("%d of %d", s.InFlight, *s.MaxConcurrent)
}

func (p *page) profileDetail(d control.ProfileDetail) {
	p.line("%s   revision %d, added %s by %s", p.bold(d.Name), d.Revision, when(d.CreatedAt), d.CreatedBy)
	p.field("profile", "%s", short(d.Digest))
	p.field("runs at", "%s (%s)", d.Target, d.Kind)
	p.field("in flight", "%s", used(d.ProfileStatus))
	p.field("default", "%s", defaultFor(d.IsDefault, d.Project))
	if d.Unsupported != "" {
		p.warnings([]string{d.Unsupported})
	}
	var rows [][]any
	pairs, _ := flatten(d.Spec, 200)
	for _, v := range pairs {
		rows = append(rows, []any{v.name, v.value})
	}
	p.titled("content", rows)
}
