package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
)

func newVersion() *cobra.Command {
	var out outputFlag
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Long:  "Say which build this is: its version, the commit it was built from, Go, and the platform.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			v := build()
			return out.print(cmd, &v)
		},
	}
	out.add(cmd)
	return cmd
}

// version is which build this is.
type version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a changed work tree
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func build() version {
	v := version{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// Show prints it in one line.
func (v *version) Show(s *screen.Screen) {
	line := "duroxide " + v.Version
	if v.Commit != "" {
		line += " (commit " + v.Commit
		if v.Modified {
			line += ", changed"
		}
		line += ")"
	}
	s.Line("%s", fmt.Sprintf("%s, %s, %s", line, v.Go, v.Platform))
}
