package attest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Lookup gives the values that the consumer runs with at this moment for the
// credential of that name, in the order of the catalog's entries. It must
// return all of them or false: half a credential proves nothing.
type Lookup func(name string) ([]secrets.Value, bool)

// Handler answers for a Go consumer; mount it at Path. now is time.Now where
// no test says otherwise. The replay cache is the handler's own: where several
// instances run behind one address, a recorded request can be replayed once to
// each other instance within MaxAge, and then yields only the answer that was
// recorded with it.
func Handler(lookup Lookup, now func() time.Time) http.Handler {
	return &handler{lookup: lookup, now: now, seen: map[string]time.Time{}}
}

type handler struct {
	lookup Lookup
	now    func() time.Time

	mu sync.Mutex
	// seen maps a nonce to the moment from which its time is too old anyway.
	seen map[string]time.Time
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	got, ok := h.answer(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(got)
}

func (h *handler) answer(r *http.Request) (answer, bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || r.Method != http.MethodGet {
		return answer{}, false
	}
	name, nonce, unix := query.Get("name"), query.Get("nonce"), query.Get("time")
	sent, ok := parseTime(unix)
	if !ok || !validName(name) || !validHex(nonce, nonceLength) {
		return answer{}, false
	}
	k, known := h.key(name)
	right := sameMAC(r.Header.Get(Header), k.request(name, nonce, unix))
	if !known || !right || !h.fresh(nonce, sent) {
		return answer{}, false
	}
	return answer{Name: name, Nonce: nonce, MAC: k.response(name, nonce)}, true
}

// key derives a K for unknown names too, so that they take about as long.
func (h *handler) key(name string) (K, bool) {
	values, ok := h.lookup(name)
	known := ok && len(values) > 0
	for _, v := range values {
		known = known && !v.IsZero()
	}
	return Key(values...), known
}

// fresh reports whether the time is near and the nonce new, and remembers the
// nonce. It is called only after the MAC was found right.
func (h *handler) fresh(nonce string, sent time.Time) bool {
	now := h.now()
	if d := now.Sub(sent); d > MaxAge || d < -MaxAge {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for n, until := range h.seen {
		if now.After(until) {
			delete(h.seen, n)
		}
	}
	if _, used := h.seen[nonce]; used {
		return false
	}
	// One second more than MaxAge: sent was cut to whole seconds.
	h.seen[nonce] = sent.Add(MaxAge + time.Second)
	return true
}
