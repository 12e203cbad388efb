package azurite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Version is the version of Azurite that is installed.
const Version = "3.35.0"

//go:embed npm/package.json npm/package-lock.json npm/preload.js
var npm embed.FS

const (
	installLimit = 5 * time.Minute        // a cold installation takes 15 s to a minute
	lockPoll     = 200 * time.Millisecond // between looks at a lock that another process holds
)

// installation is a folder with Azurite in node_modules.
type installation struct{ folder string }

func (i installation) program() string {
	return filepath.Join(i.folder, "node_modules", "azurite", "dist", "src", "azurite.js")
}

// install installs Azurite in the user's cache folder unless it is there.
func install(ctx context.Context) (installation, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return installation{}, fmt.Errorf("azurite: no folder to install to, set HOME or XDG_CACHE_HOME: %w", err)
	}
	return installUnder(ctx, filepath.Join(cache, "duroxide"))
}

func installUnder(ctx context.Context, cache string) (installation, error) {
	lockFile, err := npm.ReadFile("npm/package-lock.json")
	if err != nil {
		return installation{}, err
	}
	name := "azurite-" + shortHash(lockFile)
	at := installation{filepath.Join(cache, name)}
	if at.complete() {
		return at, nil
	}
	ctx, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	if err := os.MkdirAll(cache, 0o750); err != nil {
		return at, fmt.Errorf("azurite: %w", err)
	}
	unlock, err := waitForLock(ctx, filepath.Join(cache, name+".lock"))
	if err != nil {
		return at, err
	}
	defer unlock()
	if at.complete() {
		return at, nil // by the process that had the lock
	}
	aside := at.folder + ".new"
	if err := runNPM(ctx, aside); err != nil {
		return at, errors.Join(err, os.RemoveAll(aside))
	}
	if err := os.RemoveAll(at.folder); err != nil {
		return at, fmt.Errorf("azurite: %w", err)
	}
	if err := os.Rename(aside, at.folder); err != nil {
		return at, fmt.Errorf("azurite: %w", err)
	}
	return at, nil
}

func (i installation) complete() bool {
	_, err := os.Stat(i.program())
	return err == nil
}

// runNPM fills a new folder with what the lock file names.
func runNPM(ctx context.Context, folder string) error {
	program, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("azurite: npm is needed to install it: install Node.js 20 or later, which brings npm: %w", err)
	}
	if err := os.RemoveAll(folder); err != nil { // of an installation that was interrupted
		return fmt.Errorf("azurite: %w", err)
	}
	if err := os.Mkdir(folder, 0o750); err != nil {
		return fmt.Errorf("azurite: %w", err)
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		if err := writeEmbedded("npm/"+name, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, program, "ci", "--ignore-scripts", "--no-audit", "--no-fund") //nolint:gosec // It is npm, wherever it lies.
	cmd.Dir = folder
	cmd.WaitDelay = time.Second
	if printed, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("azurite: installing version %s: npm ci: %w; it printed:\n%s", Version, errors.Join(ctx.Err(), err), bytes.TrimSpace(printed))
	}
	return nil
}

// preload writes the script that is loaded before Azurite, and returns its path.
func (i installation) preload() (string, error) {
	text, err := npm.ReadFile("npm/preload.js")
	if err != nil {
		return "", err
	}
	path := filepath.Join(i.folder, "preload-"+shortHash(text)+".js")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	aside := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := writeEmbedded("npm/preload.js", aside); err != nil {
		return "", err
	}
	if err := os.Rename(aside, path); err != nil {
		return "", fmt.Errorf("azurite: %w", err)
	}
	return path, nil
}

func writeEmbedded(name, path string) error {
	text, err := npm.ReadFile(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("azurite: %w", err)
	}
	return nil
}

func shortHash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// waitForLock takes the lock on a file, which ends with the process.
func waitForLock(ctx context.Context, path string) (unlock func(), err error) {
	file := flock.New(path)
	switch _, err := file.TryLockContext(ctx, lockPoll); {
	case err == nil:
		return func() { _ = file.Close() }, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("azurite: another process is installing it (it holds %s): %w", path, ctx.Err())
	default:
		return nil, fmt.Errorf("azurite: locking %s: %w", path, err)
	}
}
