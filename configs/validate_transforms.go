package configs

import "fmt"

// validateTransforms checks that every transform is of a known kind, has what its kind needs, and
// that the steps of a chain exist.
func (p *Project) validateTransforms(f *findings) {
	for _, name := range sortedKeys(p.Definitions.Transforms) {
		path := transformPath(name)
		if name == "" {
			f.fail(path, CodeRequired, "a transform without a name", "")
		}
		p.validateTransform(f, path, p.Definitions.Transforms[name])
	}
}

func transformPath(name string) string { return "definitions.transforms." + name }

func (p *Project) validateTransform(f *findings, path string, t Transform) {
	switch t.Kind {
	case TransformIdentity, TransformTrim, TransformLowercase, TransformUppercase,
		TransformDigits, TransformPresent, TransformEvaluation:
	case TransformReplace:
		parameter(f, path+".from", t.From, t.Kind)
	case TransformAddPrefix, TransformStripPrefix:
		parameter(f, path+".prefix", t.Prefix, t.Kind)
	case TransformAddSuffix:
		parameter(f, path+".suffix", t.Suffix, t.Kind)
	case TransformRegex:
		parameter(f, path+".pattern", t.Pattern, t.Kind)
	case TransformDefault:
		if t.Default == nil {
			f.fail(path+".default", CodeRequired, "missing; "+t.Kind+" needs it", "")
		}
	case TransformSplitLast:
		needList(f, path+".separators", t.Separators, t.Kind)
		for i, separator := range t.Separators {
			parameter(f, fmt.Sprintf("%s.separators[%d]", path, i), &separator, t.Kind)
		}
	case TransformChain:
		needList(f, path+".steps", t.Steps, t.Kind)
		for i, step := range t.Steps {
			p.known(f, fmt.Sprintf("%s.steps[%d]", path, i), step)
		}
	default:
		f.fail(path+".kind", CodeTransformKind, fmt.Sprintf("unknown kind %.60q", t.Kind), "docs/survey.md lists the kinds")
	}
}

// parameter reports a parameter that is absent or empty. A blank one is fine: it may be a separator.
func parameter(f *findings, path string, v *string, kind string) {
	if value(v) == "" {
		f.fail(path, CodeRequired, "missing or empty; "+kind+" needs it", "")
	}
}

func needList(f *findings, path string, list []string, kind string) {
	if len(list) == 0 {
		f.fail(path, CodeRequired, "missing or empty; "+kind+" needs at least one", "")
	}
}
