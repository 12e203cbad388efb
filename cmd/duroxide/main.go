package main

import (
	"os"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/cli"
)

func main() { os.Exit(cli.Main()) }
