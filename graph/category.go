package graph

// kind is what a node becomes when the graph is unrolled.
type kind int

const (
	kindUnsupported kind = iota
	kindApp
	kindData
	kindScatter
	kindGather
	kindGlobal
	kindIgnored
)

// kindsByCategory lists the categories with a meaning of their own; all others go by categoryType.
// Those that are kindUnsupported here are known to the translator and not to Unroll.
var kindsByCategory = map[string]kind{
	"Scatter":        kindScatter,
	"Gather":         kindGather,
	"GlobalVariable": kindGlobal,
	"Comment":        kindIgnored,
	"Description":    kindIgnored,
	"Loop":           kindUnsupported,
	"MKN":            kindUnsupported,
	"GroupBy":        kindUnsupported,
	"Branch":         kindUnsupported,
	"Service":        kindUnsupported,
	"SubGraph":       kindUnsupported,
	"Mpi":            kindUnsupported,
	"Variables":      kindUnsupported,
	"Start":          kindUnsupported,
	"End":            kindUnsupported,
}

// kindsWithoutType serves old graphs whose nodes have no categoryType.
var kindsWithoutType = map[string]kind{
	"PyFuncApp": kindApp, "BashShellApp": kindApp, "DALiuGEApp": kindApp, "PythonApp": kindApp,
	"Docker": kindApp, "DynlibApp": kindApp, "DynlibProcApp": kindApp, "Component": kindApp,
	"File": kindData, "Memory": kindData, "ParameterSet": kindData, "Directory": kindData,
	"SharedMemory": kindData, "NGAS": kindData, "S3": kindData, "Plasma": kindData,
	"PlasmaFlight": kindData, "Data": kindData,
}

func (n *Node) kind() kind {
	if k, ok := kindsByCategory[n.Category]; ok {
		return k
	}
	switch n.CategoryType {
	case "Application":
		return kindApp
	case "Data":
		return kindData
	case "":
		return kindsWithoutType[n.Category]
	default:
		return kindUnsupported
	}
}

// side is the part a node plays at the end of a link.
type side int

const (
	sideUnknown side = iota // a construct that Unroll does not know: nothing is said about its links
	sideApp
	sideData
	sideNone // nothing can be linked to it
)

func (n *Node) side() side {
	switch n.kind() {
	case kindApp:
		return sideApp
	case kindData:
		return sideData
	case kindIgnored, kindGlobal:
		return sideNone
	case kindScatter:
		if n.InputAppType == "" && n.OutputAppType == "" {
			return sideNone
		}
		return sideApp
	case kindGather:
		if n.InputAppType == "" && n.OutputAppType == "" {
			return sideUnknown // the translator lets such a Gather feed the group starts inside it
		}
		return sideApp
	}
	switch n.Category {
	case "Branch":
		return sideApp
	case "Loop":
		return sideNone
	}
	return sideUnknown
}
