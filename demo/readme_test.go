package demo_test

import (
	"os"
	"strings"
	"testing"

	"beampipe/demo"
)

// The figures below are those that the README shows; TestMain runs it.
func TestTheReadmeShowsTheWordsThatTheDemoPrints(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := demo.Summary{
		Sources: 64, Discovered: 60, NoData: 3, Refused: 1, Executions: 63, Completed: 62, Failed: 1, Rediscovered: 3, Reruns: 3,
	}.Text()
	for _, line := range strings.Split(text, "\n")[:3] {
		if !strings.Contains(string(readme), line+"\n") {
			t.Errorf("the README does not show %q", line)
		}
	}
}
