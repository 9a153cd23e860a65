package rotation

import (
	"context"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// api is the issuer's API. A key's id is its value with another first letter.
type api struct {
	labels   map[string]string // value -> label
	disabled map[string]bool
	ready    error // what Ready says
	refuses  error // what Issue says
	lost     bool  // the next Issue is done, and its answer lost
	stuck    bool  // Delete fails
	die      bool  // the process is killed right after the next Disable
	deleted  []string
}

func id(value string) string { return "K" + value[1:] }

func outage(text string) error {
	return &services.Error{Service: "acme", Kind: services.Outage, Message: text}
}

func (i *issuer) living(value string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.account[value]
	return ok && !i.api.disabled[value]
}

func (i *issuer) Ready(_ context.Context, with services.Credential) error {
	if !i.living(string(with["api-key"].Reveal())) {
		return &services.Error{Service: "acme", Kind: services.Auth, Message: "unknown key"}
	}
	return i.api.ready
}

func (i *issuer) Identify(_ context.Context, c services.Credential) (services.Issued, error) {
	value := string(c["api-key"].Reveal())
	if !i.living(value) {
		return services.Issued{}, &services.Error{Kind: services.Auth, Message: "unknown key"}
	}
	return services.Issued{ID: id(value)}, nil
}

func (i *issuer) Issue(_ context.Context, with services.Credential, o services.Order) (services.Issued, error) {
	if !i.living(string(with["api-key"].Reveal())) {
		return services.Issued{}, &services.Error{Kind: services.Auth, Message: "unknown key"}
	}
	if i.api.refuses != nil {
		return services.Issued{}, i.api.refuses
	}
	value := i.make("acct_1")
	i.mu.Lock()
	defer i.mu.Unlock()
	i.api.labels[value] = o.Label
	if i.api.lost {
		i.api.lost = false
		return services.Issued{}, outage("the answer was lost")
	}
	return services.Issued{ID: id(value), Label: o.Label, Values: services.Credential{"api-key": secrets.NewValue([]byte(value))}}, nil
}

func (i *issuer) Labelled(_ context.Context, with services.Credential, label string) ([]services.Issued, error) {
	if !i.living(string(with["api-key"].Reveal())) {
		return nil, &services.Error{Kind: services.Auth, Message: "unknown key"}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []services.Issued
	for value, l := range i.api.labels {
		if _, alive := i.account[value]; alive && l == label {
			out = append(out, services.Issued{ID: id(value), Label: l})
		}
	}
	return out, nil
}

func (i *issuer) Delete(_ context.Context, with services.Credential, id string) error {
	if i.api.stuck {
		return outage("no answer")
	}
	return i.change(with, id, func(value string) {
		delete(i.account, value)
		i.api.deleted = append(i.api.deleted, value)
	})
}

func (i *issuer) Disable(_ context.Context, with services.Credential, id string) error {
	err := i.change(with, id, func(value string) { i.api.disabled[value] = true })
	if i.api.die {
		i.api.die = false
		panic("killed")
	}
	return err
}

func (i *issuer) Enable(_ context.Context, with services.Credential, id string) error {
	return i.change(with, id, func(value string) { delete(i.api.disabled, value) })
}

func (i *issuer) IdentifyDisabled(_ context.Context, c services.Credential) (services.Issued, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	value := string(c["api-key"].Reveal())
	if _, there := i.account[value]; !there {
		return services.Issued{}, &services.Error{Kind: services.Auth, Message: "unknown key"}
	}
	return services.Issued{ID: id(value)}, nil
}

func (i *issuer) change(with services.Credential, wanted string, do func(string)) error {
	if !i.living(string(with["api-key"].Reveal())) {
		return &services.Error{Kind: services.Auth, Message: "unknown key"}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for value := range i.account {
		if id(value) == wanted {
			do(value)
			return nil
		}
	}
	return nil
}

// byAPI has the issuer's API make and delete the keys.
func (w *world) byAPI() *world {
	w.secret.Issuer = secrets.IssuerAPI
	w.issuer.api = api{labels: map[string]string{}, disabled: map[string]bool{}}
	return w
}

// living are the keys that the service accepts, sorted.
func (w *world) living() []string {
	out := slices.DeleteFunc(w.issuer.alive(), func(v string) bool { return !w.issuer.living(v) })
	slices.Sort(out)
	return out
}
