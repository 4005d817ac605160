package local

import (
	"context"
	"os"
	"testing"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"beampipe/backends"
	"beampipe/backends/backendtest"
	"beampipe/profiles"
)

// TestMain makes the test binary its own shim, as cmd does for the real one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == ShimCommand {
		os.Exit(Main(context.Background(), os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

func newBackend(t *testing.T, root string) *Backend {
	t.Helper()
	b, err := New(Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func submission(graph []byte) backends.Submission {
	id := uuid.Must(uuid.NewV7()).String()
	return backends.Submission{
		ID: backends.AttemptID(id, 1), Execution: id, Attempt: 1, Project: "demo", Sources: []string{"HIPASSJ1313-15"},
		Graph: graph, Manifest: []byte(`{"sources":[]}`),
		Profile: &profiles.Profile{Name: "here", Deployment: profiles.Deployment{Kind: profiles.KindLocal, Local: &profiles.Local{
			Parallelism: 2, Environment: []string{"PATH", "HOME"}, MaxLogBytes: 64 << 10,
		}}},
	}
}

func rig(t *testing.T, root string) backendtest.Rig {
	return backendtest.Rig{
		Backend:    newBackend(t, root),
		Submission: func(work backendtest.Work) backends.Submission { return submission(backendtest.GraphOf(work)) },
	}
}

func TestTheLocalBackendKeepsTheContract(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backendtest.Rig { return rig(t, t.TempDir()) })
}
