//go:build slow

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// prober asks every consumer, all the time, whether it works: over HTTP whether
// its services take what it runs with, and the world what that is. A reader of
// pass is played by decrypting the entry whenever it changes.
type prober struct {
	w       *sandboxed
	world   *world.World
	client  http.Client
	uses    map[string]string // consumer and service -> address
	readers map[string]*reader
	once    sync.Once
	stop    chan struct{}
	ended   chan struct{}
	seen    []probe
	looks   int
}

// reader is a script that takes a value from pass.
type reader struct {
	file, value string
	changed     time.Time
}

var export = regexp.MustCompile(`(?m)^export ([A-Z_]+)='([^']*)'$`)

func probing(w *sandboxed, s subject, envFile string) *prober {
	w.t.Helper()
	raw, err := os.ReadFile(envFile)
	require.NoError(w.t, err)
	exports := map[string]string{}
	for _, m := range export.FindAllStringSubmatch(string(raw), -1) {
		exports[m[1]] = m[2]
	}
	opened, err := world.Open(w.dir)
	require.NoError(w.t, err)
	p := &prober{w: w, world: opened, client: http.Client{Timeout: 20 * time.Second}, readers: map[string]*reader{}, stop: make(chan struct{}), ended: make(chan struct{}),
		uses: map[string]string{
			badges + " clerk": exports["VERIFIEDDIT_BADGES_URL"] + "/use/clerk", badges + " sightengine": exports["VERIFIEDDIT_BADGES_URL"] + "/use/sightengine",
			payments + " clerk": exports["STRIPE_BACKEND_URL"] + "/use/clerk", payments + " stripe": exports["STRIPE_BACKEND_URL"] + "/use/stripe",
		}}
	if s.name == "cloudflare" {
		p.readers["a reader of pass"] = &reader{file: filepath.Join(w.dir, "store", cfToken+".gpg")}
	}
	go p.ask()
	return p
}

// end stops the asking; it may be called more than once.
func (p *prober) end() {
	p.once.Do(func() { close(p.stop) })
	<-p.ended
}

func (p *prober) ask() {
	defer close(p.ended)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		truth, err := p.world.Truth()
		if err != nil {
			continue
		}
		for name, c := range truth.Consumers {
			p.note(standingOf(truth, name, c.RunsWith))
		}
		for name, r := range p.readers {
			p.read(name, r)
		}
		if p.looks++; p.looks%4 == 0 {
			p.use(truth)
		}
	}
}

// note keeps what differs from the last that was seen of that consumer.
func (p *prober) note(seen probe) {
	for i := len(p.seen) - 1; i >= 0; i-- {
		if p.seen[i].consumer == seen.consumer {
			if sameProbe(p.seen[i], seen) {
				return
			}
			break
		}
	}
	p.seen = append(p.seen, seen)
}

func sameProbe(a, b probe) bool {
	one, _ := json.Marshal(a.ran)
	two, _ := json.Marshal(b.ran)
	return string(one) == string(two) && strings.Join(a.dead, " ") == strings.Join(b.dead, " ")
}

// standingOf tells ids for values. A consumer that has lost one has a dead one.
func standingOf(truth world.Truth, consumer string, runs map[string]string) probe {
	out := probe{at: time.Now(), consumer: consumer, ran: map[string]string{}}
	for variable, value := range runs {
		alive := false
		for _, c := range truth.Credentials {
			if c.Value == value {
				out.ran[variable], alive = c.ID, c.Alive
			}
		}
		if !alive {
			out.dead = append(out.dead, variable)
		}
	}
	if len(runs) == 0 {
		out.dead = append(out.dead, "everything: it runs with nothing")
	}
	return out
}

// read is the script: its value counts as dead only if pass held it before and
// after its service was asked.
func (p *prober) read(name string, r *reader) {
	info, err := os.Stat(r.file)
	if err != nil {
		p.note(probe{at: time.Now(), consumer: name, dead: []string{"the entry is gone"}})
		return
	}
	if !info.ModTime().Equal(r.changed) {
		cmd := exec.Command("gpg", "--homedir", filepath.Join(p.w.dir, "gnupg"), "--batch", "--quiet", "--decrypt", r.file)
		cmd.Env = p.w.env
		out, err := cmd.Output()
		if err != nil {
			return
		}
		line, _, _ := strings.Cut(string(out), "\n")
		r.value, r.changed = line, info.ModTime()
	}
	truth, err := p.world.Truth()
	if now, statErr := os.Stat(r.file); err != nil || statErr != nil || !now.ModTime().Equal(r.changed) {
		return
	}
	p.note(standingOf(truth, name, map[string]string{"value": r.value}))
}

// use has every consumer call its service. Between its look at the secret and
// the service's answer the world goes on: a refusal counts if the consumer runs
// with the same before and after.
func (p *prober) use(before world.Truth) {
	for name, address := range p.uses {
		resp, err := p.client.Get(address)
		answer := "unreachable"
		if err == nil {
			_ = resp.Body.Close()
			answer = resp.Status
		}
		if err == nil && resp.StatusCode == http.StatusOK {
			continue
		}
		consumer, _, _ := strings.Cut(name, " ")
		after, worldErr := p.world.Truth()
		one, _ := json.Marshal(before.Consumers[consumer])
		two, _ := json.Marshal(after.Consumers[consumer])
		if worldErr == nil && string(one) == string(two) {
			p.note(probe{at: time.Now(), consumer: name, dead: []string{answer}})
		}
	}
}
