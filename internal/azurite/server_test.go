//go:build !windows

package azurite

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// client makes no connection that outlives its answer.
func client(cfg *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: cfg}}
}

// ask sends a request without credentials and returns the answer's status.
func ask(t *testing.T, c *http.Client, url, token string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("x-ms-version", "2021-12-02")
	request.Header.Set("x-ms-date", time.Now().UTC().Format(http.TimeFormat))
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := c.Do(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func TestAServerAnswersOnAllThreeServicesUntilItIsStopped(t *testing.T) {
	s := start(t, Config{})
	e := s.Endpoints()
	for _, url := range []string{e.Blob, e.Queue, e.Table} {
		if !strings.HasPrefix(url, "http://127.0.0.1:") || !strings.HasSuffix(url, "/devstoreaccount1") {
			t.Errorf("the endpoint %s is not one of the account", url)
		}
		if status, err := ask(t, client(nil), url+"/?comp=list", ""); status == 0 || err != nil {
			t.Errorf("%s does not answer: %v", url, err)
		}
		if !strings.Contains(s.ConnectionString(), url) {
			t.Errorf("%s is not in the connection string %s", url, s.ConnectionString())
		}
	}
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	t.Logf("stopped in %v", time.Since(began))
	if _, err := ask(t, client(nil), e.Table, ""); err == nil {
		t.Error("a stopped server answers")
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stopping again: %v", err)
	}
	left, err := os.ReadDir(s.cmd.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		installed := []string{"node_modules", "package.json", "package-lock.json"}
		if !slices.Contains(installed, entry.Name()) && !strings.HasPrefix(entry.Name(), "preload-") {
			t.Errorf("a server in memory left %s on the disk", entry.Name())
		}
	}
}

func TestAServerWithALocationKeepsItsDataThere(t *testing.T) {
	location := t.TempDir() + "/made/if/need/be"
	var log bytes.Buffer
	s := start(t, Config{Location: location, Log: &log})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "Table service successfully closed") {
		t.Errorf("the log holds %q", log.String())
	}
	if _, err := os.Stat(location + "/__azurite_db_table__.json"); err != nil {
		t.Error(err)
	}
}

func TestAPausedServerIsSilentUntilItGoesOnAndCanBeStopped(t *testing.T) {
	s := start(t, Config{})
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := ask(t, client(nil), s.Endpoints().Table, "")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("a paused server answered (%v)", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("after going on: %v", err)
	}
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stopping a paused server: %v", err)
	}
}

func TestAServerWithHTTPSAcceptsTokensAndItsCertificateAlone(t *testing.T) {
	s := start(t, Config{HTTPS: true})
	now := time.Now()
	good, late := FakeToken(now.Add(-time.Minute), now.Add(time.Hour)), FakeToken(now.Add(-time.Hour), now.Add(-time.Minute))
	for _, url := range []string{s.Endpoints().Table + "/Tables", s.Endpoints().Queue + "/?comp=list", s.Endpoints().Blob + "/?comp=list"} {
		for _, try := range []struct {
			name, token string
			status      int
		}{{"a good token", good, 200}, {"a token that has expired", late, 403}} {
			if status, err := ask(t, client(s.TLS()), url, try.token); status != try.status || err != nil {
				t.Errorf("%s of %s got %d, %v, want %d", url, try.name, status, err, try.status)
			}
		}
		if _, err := ask(t, client(nil), url, good); err == nil {
			t.Errorf("%s was trusted without its certificate", url)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.certificate.folder); !os.IsNotExist(err) {
		t.Errorf("the private key was left behind: %v", err)
	}
}

func TestNoServerOutlivesTheProcessThatStartedIt(t *testing.T) {
	for name, paused := range map[string]bool{"while it runs": false, "while it is paused": true} {
		t.Run(name, func(t *testing.T) {
			parent := exec.Command(os.Args[0])
			location := t.TempDir()
			parent.Env = append(os.Environ(), parentVariable+"="+location)
			stdin, err := parent.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			var url string
			var pid int
			if !lines.Scan() {
				t.Fatal("the parent printed nothing")
			}
			if _, err := fmt.Sscan(lines.Text(), &url, &pid); err != nil {
				t.Fatalf("the parent printed %q", lines.Text())
			}
			if paused {
				if _, err := stdin.Write([]byte("p")); err != nil || !lines.Scan() || lines.Text() != "paused <nil>" {
					t.Fatalf("the parent did not pause the server: %v, %q", err, lines.Text())
				}
			}
			if err := parent.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = parent.Wait()
			ends(t, pid)
		})
	}
}

// ends waits for the end of a process that is nobody's child.
func ends(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !gone(process) {
		select {
		case <-limit:
			_ = process.Kill()
			t.Fatal("the server outlived its parent")
		case <-tick.C:
		}
	}
}

func TestAServerThatCannotStartSaysWhatItPrinted(t *testing.T) {
	fakeProgram(t, "node", "echo cannot find the sea >&2; exit 3")
	_, err := Start(t.Context(), Config{})
	if err == nil || !strings.Contains(err.Error(), "cannot find the sea") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatDoesNotStopIsKilled(t *testing.T) {
	line := "echo Azurite %s service is successfully listening at http://127.0.0.1:1;"
	fakeProgram(t, "node", fmt.Sprintf(line+line+line, "Blob", "Queue", "Table")+"exec sleep 60")
	s, err := Start(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.patience = 50 * time.Millisecond
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stopping says %v", err)
	}
	select {
	case <-s.Done():
	default:
		t.Error("the server is still there")
	}
}

func TestAStartThatIsCancelledLeavesNoServer(t *testing.T) {
	fakeProgram(t, "node", "cat")
	ctx, cancel := withTimeout(t, 300*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, Config{})
	if err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("got %v", err)
	}
}

func TestAMissingNodeIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), Config{})
	if err == nil || !strings.Contains(err.Error(), "Node.js") {
		t.Errorf("got %v", err)
	}
}

func TestEndpointsAreFoundHoweverTheOutputIsCut(t *testing.T) {
	text := "noise\nAzurite Blob service is successfully listening at http://127.0.0.1:1001\n" +
		"Azurite Queue service is starting at http://127.0.0.1:0\n" +
		"Azurite Queue service is successfully listening at http://127.0.0.1:1002\n" +
		"Azurite Table service is successfully listening at http://127.0.0.1:1003\n" + strings.Repeat("more\n", maxKept)
	want := Endpoints{Blob: "http://127.0.0.1:1001/devstoreaccount1", Queue: "http://127.0.0.1:1002/devstoreaccount1", Table: "http://127.0.0.1:1003/devstoreaccount1"}
	for _, size := range []int{1, 7, 100, len(text)} {
		o := newOutput(nil)
		for part := range slices.Chunk([]byte(text), size) {
			if _, err := o.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-o.ready:
		default:
			t.Errorf("in parts of %d bytes: not ready", size)
		}
		if got := o.endpoints(); got != want {
			t.Errorf("in parts of %d bytes: got %v, want %v", size, got, want)
		}
		if n := len(o.String()); n > maxKept {
			t.Errorf("%d bytes are kept, the limit is %d", n, maxKept)
		}
	}
}
