package main

import "github.com/spf13/cobra"

// streamedPage is how many rows --all reads at once, where --limit is not more.
const streamedPage = 500

// pages prints one page of a list, and says how the next one is asked for; with all it goes on until there
// are no more. show prints a page, and moves its query on to the next. With --json each page is an answer
// of its own, one after the other.
func (a *app) pages(all bool, limit *int, show func() (more bool, next string, err error)) error {
	if all {
		*limit = max(*limit, streamedPage)
	}
	for {
		more, next, err := show()
		if err != nil || !more {
			return err
		}
		if !all {
			a.note("there are more: %s", clean(next, false))
			return nil
		}
	}
}

func allFlag(cmd *cobra.Command, all *bool) {
	cmd.Flags().BoolVar(all, "all", false, "all of them, page by page; with --json one answer per page")
}
