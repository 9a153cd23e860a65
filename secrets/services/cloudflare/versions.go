package cloudflare

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Versions and deployments are read without the SDK: its types drop the
// annotations of a version, which say what made it.

// Version is one version of a Worker: its code with its secrets.
type Version struct {
	ID     string
	Number int
	// Created is by Cloudflare's clock.
	Created time.Time
	// TriggeredBy is upload, secret, rollback or promotion, or what Cloudflare
	// may add; only the server sets it. Source is api, wrangler, dash, ….
	TriggeredBy, Source string
	// Author is an address, or an id where there is none.
	Author, Message string
	// Deployable: it can still be deployed, its secrets with it.
	Deployable bool
}

// Deployment is which versions serve.
type Deployment struct {
	ID                                   string
	Created                              time.Time
	TriggeredBy, Source, Author, Message string
	Shares                               []Share
}

// Share is how much of the traffic a version serves, in percent.
type Share struct {
	Version string
	Percent float64
}

// validVersion is the form of a version's id, which is put into commands.
var validVersion = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const (
	// versionsPerPage is how many versions are asked for at once.
	versionsPerPage = 50
	// versionPages bounds what is read of a Worker.
	versionPages = 100
)

// foreignAnswer is an answer that is not what the API is described to give.
func foreignAnswer(message string) *services.Error {
	return &services.Error{Service: Name, Kind: services.Outage, Message: message, Next: "check services.cloudflare.api in the catalog, then try again"}
}

// annotated is what versions and deployments are annotated with.
type annotated struct {
	TriggeredBy string `json:"workers/triggered_by"`
	Message     string `json:"workers/message"`
}

// versionItem is a version as the API shows it in a list.
type versionItem struct {
	ID       string `json:"id"`
	Number   int    `json:"number"`
	Metadata struct {
		Created  time.Time `json:"created_on"`
		Source   string    `json:"source"`
		Email    string    `json:"author_email"`
		AuthorID string    `json:"author_id"`
	} `json:"metadata"`
	Annotations annotated `json:"annotations"`
}

func (i versionItem) version() (Version, error) {
	m := i.Metadata
	if !validVersion.MatchString(i.ID) || m.Created.IsZero() {
		return Version{}, foreignAnswer("a version in the list has no id or no date")
	}
	author := m.Email
	if author == "" {
		author = m.AuthorID
	}
	return Version{ID: i.ID, Number: i.Number, Created: m.Created, TriggeredBy: services.Printable(i.Annotations.TriggeredBy),
		Source: services.Printable(m.Source), Author: services.Printable(author), Message: services.Printable(i.Annotations.Message)}, nil
}

// Versions lists a Worker's versions, newest first: the newest ones, all that can
// be deployed, and all since a time unless that is zero.
func (c *Client) Versions(ctx context.Context, token secrets.Value, account, worker string, since time.Time) ([]Version, error) {
	op := "listing versions of Worker " + worker
	if err := address(op, account, worker); err != nil {
		return nil, err
	}
	base := "/accounts/" + account + "/workers/scripts/" + worker + "/versions"
	all := map[string]Version{}
	err := c.versionsSince(ctx, token, base, since, all)
	if err == nil {
		// With deployable the API knows no pages; that none is left out of it that is
		// newer than others in it is not said.
		_, _, err = c.versionPage(ctx, token, base+"?deployable=true", true, all)
	}
	if err != nil {
		return nil, fault(op, worker, err)
	}
	out := make([]Version, 0, len(all))
	for _, v := range all {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Version) int {
		if a.Number != b.Number {
			return b.Number - a.Number
		}
		return b.Created.Compare(a.Created)
	})
	return out, nil
}

// versionsSince adds all versions since a time, page by page.
func (c *Client) versionsSince(ctx context.Context, token secrets.Value, base string, since time.Time, all map[string]Version) error {
	for page := 1; page <= versionPages; page++ {
		before := len(all)
		n, oldest, err := c.versionPage(ctx, token, fmt.Sprintf("%s?page=%d&per_page=%d", base, page, versionsPerPage), false, all)
		switch {
		case err != nil:
			return err
		case n == 0 || since.IsZero() || oldest.Before(since):
			return nil
		case len(all) == before:
			return foreignAnswer("the list of versions has the same page twice")
		}
	}
	return foreignAnswer("the list of versions does not end")
}

// versionPage adds one page to all, and says how many versions it has and when the
// oldest of them was made.
func (c *Client) versionPage(ctx context.Context, token secrets.Value, path string, deployable bool, all map[string]Version) (n int, oldest time.Time, err error) {
	var answer struct {
		Result struct {
			Items *[]versionItem `json:"items"`
		} `json:"result"`
	}
	if err := c.send(ctx, token, http.MethodGet, path, nil, &answer); err != nil {
		return 0, time.Time{}, err
	}
	if answer.Result.Items == nil {
		return 0, time.Time{}, foreignAnswer("the answer holds no list of versions")
	}
	for _, item := range *answer.Result.Items {
		v, err := item.version()
		if err != nil {
			return 0, time.Time{}, err
		}
		v.Deployable = deployable || all[v.ID].Deployable
		all[v.ID] = v
		if oldest.IsZero() || v.Created.Before(oldest) {
			oldest = v.Created
		}
	}
	return len(*answer.Result.Items), oldest, nil
}

// Deployment says which versions of a Worker serve now; without Shares none does.
func (c *Client) Deployment(ctx context.Context, token secrets.Value, account, worker string) (Deployment, error) {
	op := "reading deployments of Worker " + worker
	if err := address(op, account, worker); err != nil {
		return Deployment{}, err
	}
	var answer struct {
		Result struct {
			Deployments *[]struct {
				ID          string    `json:"id"`
				Created     time.Time `json:"created_on"`
				Source      string    `json:"source"`
				Email       string    `json:"author_email"`
				Annotations annotated `json:"annotations"`
				Versions    []struct {
					ID      string  `json:"version_id"`
					Percent float64 `json:"percentage"`
				} `json:"versions"`
			} `json:"deployments"`
		} `json:"result"`
	}
	if err := c.send(ctx, token, http.MethodGet, "/accounts/"+account+"/workers/scripts/"+worker+"/deployments", nil, &answer); err != nil {
		return Deployment{}, fault(op, worker, err)
	}
	if answer.Result.Deployments == nil {
		return Deployment{}, fault(op, worker, foreignAnswer("the answer holds no list of deployments"))
	}
	if len(*answer.Result.Deployments) == 0 {
		return Deployment{}, nil
	}
	d := (*answer.Result.Deployments)[0] // newest first: it serves
	out := Deployment{ID: services.Printable(d.ID), Created: d.Created, Source: services.Printable(d.Source), Author: services.Printable(d.Email),
		TriggeredBy: services.Printable(d.Annotations.TriggeredBy), Message: services.Printable(d.Annotations.Message)}
	for _, v := range d.Versions {
		if !validVersion.MatchString(v.ID) {
			return Deployment{}, fault(op, worker, foreignAnswer("a version that serves has no id"))
		}
		out.Shares = append(out.Shares, Share{Version: v.ID, Percent: v.Percent})
	}
	return out, nil
}

// Scripts lists the names of all Workers of the account, sorted.
func (c *Client) Scripts(ctx context.Context, token secrets.Value, account string) ([]string, error) {
	const op = "listing Workers"
	if err := address(op, account, "any"); err != nil {
		return nil, err
	}
	var answer struct {
		Result *[]struct {
			ID string `json:"id"`
		} `json:"result"`
	}
	if err := c.send(ctx, token, http.MethodGet, "/accounts/"+account+"/workers/scripts", nil, &answer); err != nil {
		return nil, services.Fault(Name, op, err)
	}
	if answer.Result == nil {
		return nil, services.Fault(Name, op, foreignAnswer("the answer holds no list of Workers"))
	}
	names := make([]string, 0, len(*answer.Result))
	for _, s := range *answer.Result {
		if !validWorker.MatchString(s.ID) {
			return nil, services.Fault(Name, op, foreignAnswer("a Worker in the list has a name that no Worker has"))
		}
		names = append(names, s.ID)
	}
	slices.Sort(names)
	return names, nil
}
