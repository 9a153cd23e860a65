package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/scwprovider"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// The servers that are not a service's API.
const (
	cloudflareTLS   = "cloudflare-https"
	registryServer  = "registry"
	scalewayPlugin  = "scaleway-provider"
	badgesConsumer  = world.WorkerName
	paymentConsumer = world.ContainerName
)

// servers are one process's listeners.
type servers struct {
	addresses map[string]string // name -> host:port
	http      []*http.Server
	provider  *scwprovider.Server
	client    *http.Client
	// s3 serves the state; nil where that lies in a folder.
	s3 *gateway
}

// serve starts every server on 127.0.0.1, on the port that the world has kept
// for it where that is free: a second process gets others.
// s3 is the path of the S3 server's program; empty: there is none.
func serve(ctx context.Context, l layout, w *world.World, s3 string) (*servers, error) {
	state, err := w.Snapshot()
	if err != nil {
		return nil, err
	}
	trusted, err := trust(l)
	if err != nil {
		return nil, err
	}
	s := &servers{addresses: map[string]string{}, client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: trusted, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	services := api.New(w, api.Options{})
	err = s.startAll(ctx, l, w, services, state.Ports)
	if err == nil && s3 != "" {
		err = s.startS3(ctx, l, w, services, s3, state.Ports[s3Server])
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, keepPorts(w, state.Ports, s)
}

func (s *servers) startS3(ctx context.Context, l layout, w *world.World, log *api.API, program string, port int) (err error) {
	if s.s3, err = startGateway(ctx, l, w, log, program); err != nil {
		return err
	}
	return s.listen(ctx, s3Server, port, s.s3, nil)
}

func (s *servers) startAll(ctx context.Context, l layout, w *world.World, services *api.API, ports map[string]int) error {
	for name, handler := range map[string]http.Handler{
		world.Cloudflare: services.Cloudflare(), world.Scaleway: services.Scaleway(), registryServer: services.Registry(),
		world.Stripe: services.Stripe(), world.Clerk: services.Clerk(), world.Sightengine: services.Sightengine(),
		world.GitHub:   services.GitHub(),
		badgesConsumer: newConsumer(badges(w), s), paymentConsumer: newConsumer(payments(w), s),
	} {
		if err := s.listen(ctx, name, ports[name], handler, nil); err != nil {
			return err
		}
	}
	pair, err := tls.LoadX509KeyPair(l.certificate(), l.serverKey())
	if err != nil {
		return fmt.Errorf("reading the world's certificate: %w", err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if err := s.listen(ctx, cloudflareTLS, ports[cloudflareTLS], services.Cloudflare(), secure); err != nil {
		return err
	}
	// Whoever is interrupted still finishes its step: Close ends the servers.
	s.provider, err = scwprovider.Serve(context.WithoutCancel(ctx), scwprovider.Config{
		API: s.url(world.Scaleway), HTTP: s.client, Listen: loopback(ports[scalewayPlugin])})
	if err != nil {
		return err
	}
	s.addresses[scalewayPlugin] = loopback(s.provider.Port())
	return nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func (s *servers) listen(ctx context.Context, name string, kept int, handler http.Handler, secure *tls.Config) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", loopback(kept))
	if err != nil {
		listener, err = config.Listen(ctx, "tcp", loopback(0))
	}
	if err != nil {
		return fmt.Errorf("serving %s: %w", name, err)
	}
	s.addresses[name] = listener.Addr().String()
	server := &http.Server{Handler: handler, TLSConfig: secure, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0)}
	s.http = append(s.http, server)
	go func() {
		if secure != nil {
			_ = server.ServeTLS(listener, "", "")
			return
		}
		_ = server.Serve(listener)
	}()
	return nil
}

// keepPorts remembers the first process's ports, so that addresses which a
// shell holds stay good from one `serve` to the next.
func keepPorts(w *world.World, known map[string]int, s *servers) error {
	if len(known) >= len(s.addresses) {
		return nil
	}
	return w.Update(func(state *world.State) error {
		for name, address := range s.addresses {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return fmt.Errorf("keeping the port of %s: %w", name, err)
			}
			if _, has := state.Ports[name]; !has {
				if state.Ports[name], err = strconv.Atoi(port); err != nil {
					return fmt.Errorf("keeping the port of %s: %w", name, err)
				}
			}
		}
		return nil
	})
}

// url is a server's address without a path.
func (s *servers) url(name string) string { return "http://" + s.addresses[name] }

func (s *servers) close() error {
	var errs []error
	for _, server := range s.http {
		errs = append(errs, server.Close())
	}
	if s.provider != nil {
		errs = append(errs, s.provider.Close())
	}
	if s.s3 != nil {
		errs = append(errs, s.s3.close())
	}
	s.client.CloseIdleConnections()
	return errors.Join(errs...)
}
