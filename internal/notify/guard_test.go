package notify

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// A place that leads elsewhere gets the message alone, if at all: the address is the
// password, and the next place would be told it.
func TestNoRedirectIsFollowed(t *testing.T) {
	for _, scheme := range []string{"generic+http", "mattermost", "gotify"} {
		t.Run(scheme, func(t *testing.T) {
			var asked, elsewhere atomic.Int32
			other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
			t.Cleanup(other.Close)
			first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				http.Redirect(w, r, other.URL+"/taken", http.StatusTemporaryRedirect)
			}))
			t.Cleanup(first.Close)
			host := strings.TrimPrefix(first.URL, "http://")
			address := map[string]string{"generic+http": "generic+" + first.URL + "/hooks/" + token, "mattermost": "mattermost://" + host + "/" + token + "?disabletls=yes",
				"gotify": "gotify://" + host + "/A" + token[:14] + "?disabletls=yes"}[scheme]
			err := parse(t, t.TempDir(), address).Run(t.Context(), night(1, drift.Drift, found("clerk")))
			require.Error(t, err)
			require.NotContains(t, err.Error(), token)
			require.Positive(t, asked.Load())
			require.Zero(t, elsewhere.Load(), "it was followed")
		})
	}
	_, plain := http.DefaultTransport.(*http.Transport)
	require.True(t, plain, "and then everything else travels as before")
}

// An answer without an end is not read to its end.
func TestAnAnswerWithoutEndIsCut(t *testing.T) {
	var sent atomic.Int64
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		piece := make([]byte, 64<<10)
		for r.Context().Err() == nil && sent.Load() < 64<<20 {
			n, err := w.Write(piece)
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
	}))
	t.Cleanup(server.Close)
	_ = parse(t, t.TempDir(), "generic+"+server.URL+"/hooks/"+token).Run(t.Context(), night(1, drift.Drift, found("clerk")))
	<-ended
	require.Less(t, sent.Load(), int64(32<<20))
}
