package configs

import (
	"fmt"
	"strings"
)

func (p *Project) checkRegexes(f *findings) {
	for _, name := range sortedKeys(p.Definitions.Transforms) {
		t := p.Definitions.Transforms[name]
		if t.Kind != TransformRegex {
			continue
		}
		re, err := t.regex()
		if err != nil {
			f.warn(transformPath(name)+".pattern", CodeInvalidRegex, err.Error(), "the syntax is RE2: no look-around, no back references")
			continue
		}
		if group := t.regexGroup(); group < 0 || group > re.NumSubexp() {
			f.warn(transformPath(name)+".group", CodeInvalidRegex,
				fmt.Sprintf("group %d is not there: the pattern has %d", group, re.NumSubexp()), "put parentheses around the part to extract, or set group: 0")
		}
	}
}

// checkChains reports every cycle of chains once, where it begins; without one, the chains that are
// deeper or longer than Apply follows.
func (p *Project) checkChains(f *findings) {
	c := &chains{p: p, f: f, state: map[string]int{}, size: map[string]chainSize{}}
	for _, name := range sortedKeys(p.Definitions.Transforms) {
		if c.state[name] == 0 {
			c.visit(name)
		}
	}
	if c.cycle {
		return
	}
	for _, name := range sortedKeys(p.Definitions.Transforms) {
		if size := c.size[name]; size.depth > maxChainDepth || size.steps > maxChainSteps {
			f.warn(transformPath(name)+".steps", CodeTransformCycle,
				fmt.Sprintf("the chain is nested deeper than %d or has more than %d steps", maxChainDepth, maxChainSteps), "write the steps out in one chain")
		}
	}
}

// chains walks the chains depth first.
type chains struct {
	p     *Project
	f     *findings
	state map[string]int // 0, visiting or visited
	path  []string
	size  map[string]chainSize
	cycle bool
}

// chainSize is how deep chains are nested in a transform, and how many steps it takes in all.
type chainSize struct{ depth, steps int }

const (
	visiting = 1 + iota
	visited
)

func (c *chains) visit(name string) {
	c.state[name] = visiting
	c.path = append(c.path, name)
	size := chainSize{steps: 1}
	for _, step := range c.p.steps(name) {
		switch c.state[step] {
		case 0:
			c.visit(step)
		case visiting:
			c.report(step)
			continue
		}
		size.depth = max(size.depth, 1+c.size[step].depth)
		size.steps = min(size.steps+c.size[step].steps, maxChainSteps+1)
	}
	c.size[name] = size
	c.path = c.path[:len(c.path)-1]
	c.state[name] = visited
}

// report shows the cycle that ends in step.
func (c *chains) report(step string) {
	from := 0
	for c.path[from] != step {
		from++
	}
	const shown = 8
	cycle := append([]string{}, c.path[from:]...)
	if len(cycle) > shown {
		cycle = append(cycle[:shown], "…")
	}
	cycle = append(cycle, step)
	c.f.warn(transformPath(step)+".steps", CodeTransformCycle,
		"the chain comes back to itself: "+strings.Join(cycle, " → "), "take one of the steps out")
	c.cycle = true
}

// steps gives the steps of a chain, none for another kind.
func (p *Project) steps(name string) []string {
	if t := p.Definitions.Transforms[name]; t.Kind == TransformChain {
		return t.Steps
	}
	return nil
}
