package notify

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

func heart(t *testing.T, address string) *Heart {
	h, err := ParseHeartbeat(t.Context(), Source{Env: func(string) string { return address }}, "env:HEART")
	require.NoError(t, err)
	h.pause = func(context.Context, time.Duration) error { return nil }
	return h
}

func TestHeartbeatOnlyWhenAllIsWell(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/"+token {
			asked.Add(1)
		}
	}))
	defer server.Close()
	accepted := found("clerk/a")
	accepted.Accepted = &drift.Acceptance{By: "eva"}
	unchecked := night(1, drift.Clean)
	unchecked.Layers[0].Status = drift.StatusUnknown
	for name, c := range map[string]struct {
		report drift.Report
		pings  int32
	}{
		"clean":                            {night(1, drift.Clean), 1},
		"clean, accepted":                  {night(1, drift.Clean, accepted), 1},
		"clean, unchecked things accepted": {taken(night(1, drift.Clean)), 0},
		"drift":                            {night(1, drift.Drift, found("clerk/a")), 0},
		"unknown":                          {unable(night(1, drift.Unknown), "clerk"), 0},
		"in progress":                      {night(1, drift.InProgress), 0},
		"clean, but a gap":                 {unable(night(1, drift.Clean), "clerk"), 0},
		"clean, but unchecked":             {unchecked, 0},
		"clean, but nothing done":          {drift.Report{Answer: drift.Clean}, 0},
		"clean, but a finding":             {night(1, drift.Clean, found("clerk/a")), 0},
	} {
		asked.Store(0)
		require.NoError(t, heart(t, server.URL+"/"+token).Beat(t.Context(), c.report), name)
		require.Equal(t, c.pings, asked.Load(), name)
	}
	none, err := ParseHeartbeat(t.Context(), Source{}, "")
	require.NoError(t, err)
	require.NoError(t, none.Beat(t.Context(), night(1, drift.Clean)))
}

func TestHeartbeatThatIsNotTaken(t *testing.T) {
	var tries, elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	answers := []int{500, 503, 200}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := tries.Add(1)
		switch r.URL.Path {
		case "/late/" + token:
			w.WriteHeader(answers[n-1])
		case "/away/" + token:
			http.Redirect(w, r, other.URL+"/"+token, http.StatusFound)
		case "/moved/" + token:
			http.Redirect(w, r, "/here", http.StatusFound)
		case "/here":
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	clean := night(1, drift.Clean)
	require.NoError(t, heart(t, server.URL+"/late/"+token).Beat(t.Context(), clean))
	require.EqualValues(t, 3, tries.Swap(0))
	require.NoError(t, heart(t, server.URL+"/moved/"+token).Beat(t.Context(), clean))
	require.EqualValues(t, 2, tries.Swap(0))
	for path, says := range map[string]string{"/away/": "another host", "/none/": "HTTP 404"} {
		err := heart(t, server.URL+path+token).Beat(t.Context(), clean)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), token)
		require.EqualValues(t, 3, tries.Swap(0), path)
	}
	require.Zero(t, elsewhere.Load(), "the address went to another host")
}

func TestHeartbeatAddress(t *testing.T) {
	for _, ref := range []string{"hc-ping.com/" + token, "ftp://x/" + token, "https:///" + token, "env:NONE"} {
		_, err := ParseHeartbeat(t.Context(), Source{Env: func(string) string { return "" }}, ref)
		var e *Error
		require.ErrorAs(t, err, &e, ref)
		require.True(t, e.Misused)
		require.NotContains(t, e.Error()+e.Next, token)
	}
}
