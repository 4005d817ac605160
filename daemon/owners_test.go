package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func TestOnlyAProcessOfThisMachineThatEndedIsGone(t *testing.T) {
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Skip("there is no program to run: ", err)
	}
	ended := child.Process.Pid
	for _, tt := range []struct {
		owner string
		want  bool
	}{
		{owner: fmt.Sprintf("here:%d:id", ended), want: true},
		{owner: fmt.Sprintf("elsewhere:%d:id", ended)},
		{owner: fmt.Sprintf("here:%d:id", os.Getpid())},
		{owner: fmt.Sprintf("here:%d:id", os.Getppid())},
		{owner: "here:-1:id"},
		{owner: "here:nonsense:id"},
		{owner: "here"},
		{owner: "somebody"},
	} {
		if got := goneHere(tt.owner, "here"); got != tt.want {
			t.Errorf("goneHere(%q) = %v, want %v", tt.owner, got, tt.want)
		}
	}
}
