package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what this binary was built from.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "What this binary was built from",
		Example: "  beampipe version --json",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.action(func(context.Context, []string) error {
			v := buildVersion()
			return a.print(v, func(p *page) {
				p.line("beampipe %s (%s, %s)", v.Version, v.Go, v.Platform)
				if v.Revision != "" {
					modified := ""
					if v.Modified {
						modified = ", modified"
					}
					p.field("revision", "%s of %s%s", v.Revision, v.Time, modified)
				}
			})
		}),
	}
}

func buildVersion() versionInfo {
	v := versionInfo{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
