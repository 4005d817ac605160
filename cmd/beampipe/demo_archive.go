package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"beampipe/demo"
)

func newDemoArchiveCmd(a *app) *cobra.Command {
	var o demo.ArchiveOptions
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Serve the demo's archive over HTTP, for a survey of your own to ask",
		Long: `Serve the archive of the demo over TAP until a signal ends it, so that a ledger of your own has something to
ask. It lists the sources that it knows in sources.txt. Start it again with --later and new data is there for
three of them. It is made for trying Beampipe out, and is no archive to keep data in.`,
		Example: "  beampipe demo archive --dir archive\n  beampipe tick discovery --archive demo=http://" + demo.DefaultArchiveListen + "/tap",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.action(func(ctx context.Context, _ []string) error {
			var printed error
			o.Ready = func(s demo.ArchiveServed) { printed = a.print(s, func(p *page) { p.archiveServed(s) }) }
			return errors.Join(demo.ServeArchive(ctx, o), printed)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "", "keep the archive and sources.txt in folder `DIR` (else a temporary one that is removed)")
	f.StringVar(&o.Listen, "listen", demo.DefaultArchiveListen, "serve at `HOST:PORT`")
	f.BoolVar(&o.Later, "later", false, "with the new data that came a day later")
	return cmd
}

func (p *page) archiveServed(s demo.ArchiveServed) {
	p.line("%s   until a signal ends it", p.bold(s.URL))
	p.field("sources", "%d, listed in %s", s.Sources, s.SourcesFile)
	if s.Later {
		p.field("new data", "is there, for three of them")
	} else {
		p.field("new data", "comes when it is started again with --later")
	}
	p.next([]string{"beampipe tick discovery --archive demo=" + s.URL})
}
