package provenance

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
)

// page is what a README or a preview shows.
type page struct {
	Title, Status, Error, Place, Head string
	Execution, Project, License       string
	Started, Ended                    string
	Files                             []pageFile
	Products                          []BundleProduct
	MoreProducts                      int
	Withdrawn                         int
	Missing                           []string
	Redacted                          []string
}

type pageFile struct{ Path, About, SHA256 string }

// maxShownProducts bounds the list in a README and a preview; products.json has them all.
const maxShownProducts = 50

// page fills a template with what the crate holds.
func (c *crate) page(write func(p page) ([]byte, error)) ([]byte, error) {
	p := page{
		Title: c.Title, Status: c.Status, Error: c.Error, Place: c.Place, Head: c.Head, Execution: c.Execution, Project: c.Project,
		License: c.License, Started: timeText(c.Started), Ended: timeText(c.Ended), Missing: c.Missing,
	}
	for _, f := range c.files {
		p.Files = append(p.Files, pageFile{Path: f.Path, About: f.About, SHA256: hexDigest(f.Content)})
		if r, ok := c.redacted[f.Path]; ok {
			p.Redacted = append(p.Redacted, f.Path+": "+r.String())
		}
	}
	p.Products = c.Products[:min(len(c.Products), maxShownProducts)]
	p.MoreProducts = len(c.Products) - len(p.Products)
	for _, product := range c.Products {
		if product.Withdrawn {
			p.Withdrawn++
		}
	}
	content, err := write(p)
	if err != nil {
		return nil, fmt.Errorf("export execution %s: %w", c.Execution, err)
	}
	return content, nil
}

// inline is a text that may come from outside, in one line of Markdown.
func inline(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("`", "'", "|", "\\|", "<", "&lt;", "[", "\\[").Replace(text)
}

// readmePage writes the README, in Markdown.
func readmePage(p page) ([]byte, error) {
	var b bytes.Buffer
	line := func(format string, args ...any) {
		for i, arg := range args {
			if text, ok := arg.(string); ok {
				args[i] = inline(text)
			}
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line("# %s\n", p.Title)
	line("A Workflow Run RO-Crate (%s describes it for programs): what Beampipe's ledger knows of one execution.\n", fileMetadata)
	for _, row := range [][2]string{
		{"execution", p.Execution},
		{"survey", p.Project},
		{"status", p.Status},
		{"error", p.Error},
		{"place", p.Place},
		{"started", p.Started},
		{"ended", p.Ended},
		{"licence", orText(p.License, "none is given")},
		{"ledger head", p.Head},
	} {
		if row[1] != "" {
			line("- %s: %s", row[0], row[1])
		}
	}
	line("\n## Files\n\n| File | SHA-256 | What it is |\n|---|---|---|")
	for _, f := range p.Files {
		line("| `%s` | `%s` | %s |", f.Path, f.SHA256, f.About)
	}
	line("\n## Products\n\nThey are not in this crate: `%s` lists them all. Withdrawn, as having come of bad data: %d.\n", fileProducts, p.Withdrawn)
	for _, f := range p.Products {
		line("- `%s`, %d bytes, sha256 `%s`%s", f.Path, f.Bytes, f.SHA256, withdrawnNote(f))
	}
	if p.MoreProducts > 0 {
		line("- and %d more", p.MoreProducts)
	}
	b.WriteString("\n## How to check it\n\n" + howToCheck + "\n")
	section(line, "Not in this crate", p.Missing)
	section(line, "Secrets", p.Redacted)
	return b.Bytes(), nil
}

func section(line func(string, ...any), title string, sentences []string) {
	if len(sentences) == 0 {
		return
	}
	line("\n## %s\n", title)
	for _, s := range sentences {
		line("- %s", s)
	}
}

func withdrawnNote(p BundleProduct) string {
	if !p.Withdrawn {
		return ""
	}
	return strings.TrimSuffix(", WITHDRAWN: "+p.Why, ": ")
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// howToCheck says how a reader makes sure that the excerpt is what the ledger holds. See Event.ChainHash.
const howToCheck = "Each line of `events.jsonl` is one event. Its `hash` is the SHA-256, in hexadecimal, of these fields one after the other, each as " +
	"its length in bytes, a colon, its text and a comma: `prev_hash`, `seq`, `occurred_at`, `event_type`, `project_module`, `source_identifier`, " +
	"`execution_id`, `actor`, `correlation_id`, and `payload` as it stands in the line (a field that is not there is empty). A line from which secrets were taken out " +
	"no longer matches its hash, and says so. That the log these events come from is whole, and still contains the head above, is shown beside the ledger by " +
	"`beampipe provenance verify --head HEAD`."

// previewHTML shows the same to a browser.
var previewHTML = template.Must(template.New(filePreview).Funcs(template.FuncMap{"withdrawn": withdrawnNote}).Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{{.Title}}</title>
<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}td{padding:.1em 1em .1em 0;vertical-align:top}code{font-size:90%}</style></head>
<body>
<h1>{{.Title}}</h1>
<p>What the ledger of Beampipe knows of execution <code>{{.Execution}}</code> of survey {{.Project}}: <b>{{.Status}}</b>{{with .Error}}: {{.}}{{end}}.
{{with .Started}}Started {{.}}.{{end}} {{with .Ended}}Ended {{.}}.{{end}} Licence: {{if .License}}{{.License}}{{else}}none is given{{end}}.</p>
<h2>Files</h2>
<table>{{range .Files}}<tr><td><a href="{{.Path}}">{{.Path}}</a></td><td>{{.About}}</td></tr>
{{end}}</table>
<h2>Products</h2>
<p>Not in this crate; all of them are in <a href="products.json">products.json</a>.</p>
<table>{{range .Products}}<tr><td>{{.Path}}{{withdrawn .}}</td><td>{{.Bytes}} bytes</td><td><code>{{.SHA256}}</code></td></tr>
{{end}}</table>
{{with .MoreProducts}}<p>And {{.}} more.</p>{{end}}
{{with .Missing}}<h2>Not in this crate</h2><ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}
{{with .Redacted}}<h2>Secrets</h2><ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}
</body></html>
`))

func previewPage(p page) ([]byte, error) {
	var b bytes.Buffer
	err := previewHTML.Execute(&b, p)
	return b.Bytes(), err
}
