package control

import (
	"runtime"
	"runtime/debug"
)

// software names what this binary was built from, for the events of submissions.
func software() map[string]string {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && version == "(devel)":
				version = "devel-" + s.Value[:min(len(s.Value), 12)]
			case s.Key == "vcs.modified" && s.Value == "true":
				version += "+modified"
			}
		}
	}
	return map[string]string{"beampipe": version, "go": runtime.Version()}
}
