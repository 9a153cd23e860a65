package services

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 8 << 20

func readAnswer(res *http.Response) ([]byte, error) {
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, &Error{Kind: Outage, Message: "the answer is too long to be the service's", Next: nextDoctor}
	}
	return body, nil
}

// read judges a whole answer: first whether it is the service's own at all,
// then what it says.
func (s Service) read(res *http.Response, body []byte) *Error {
	status := res.StatusCode
	fault := s.foreign(res, body)
	if fault == nil {
		fault = s.refusal(status, body)
	}
	switch {
	case status == http.StatusTooManyRequests:
		busy := &Error{Kind: Busy, Message: "too many requests", Next: nextLater, again: true}
		if fault != nil {
			busy.Code = fault.Code
		}
		fault = busy
	case status >= 500 || status == http.StatusRequestTimeout:
		outage := &Error{Kind: Outage, Message: "the service has an outage", Next: nextLater, again: true}
		if fault != nil {
			outage.Code = fault.Code
		}
		fault = outage
	}
	if res.Header.Get("Cf-Mitigated") != "" {
		fault = &Error{Kind: Outage, Message: "a firewall asks for a browser", Next: "try from another network, or have this address allowed"}
	}
	if fault != nil && (fault.Kind == Busy || fault.Kind == Outage) {
		fault.RetryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	}
	return fault
}

// foreign reports an answer that something else than the service gave.
func (s Service) foreign(res *http.Response, body []byte) *Error {
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return &Error{
			Kind: Outage, Message: "the address redirects elsewhere; the credential was not sent there",
			Next: "check the service's address in the catalog: go run . catalog validate",
		}
	}
	if s.Loose || res.StatusCode == http.StatusNoContent {
		return nil
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	labelled := s.AnyMedia || media == "application/json" || strings.HasSuffix(media, "+json")
	if !labelled || !json.Valid(body) {
		return &Error{
			Kind: Outage, Message: "the answer is not the service's (no JSON)",
			Next: "look for a proxy or a sign-in page in between, and at the address in the catalog: go run . doctor",
		}
	}
	return nil
}

func (s Service) refusal(status int, body []byte) *Error {
	if s.Judge != nil {
		if fault := s.Judge(status, body); fault != nil {
			return fault
		}
	}
	if status >= 400 && (status != http.StatusUnauthorized || !s.Loose) {
		return byStatus(status)
	}
	return nil
}

// retryAfter reads the header in both of its forms; 0: none, or in the past.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		// A day is more than anybody waits, and keeps the product in range.
		return time.Duration(min(seconds, 86400)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now).Round(time.Second))
	}
	return 0
}

// unreachable classifies an error of the network. parent is the caller's
// context: its end is not the service's fault.
func unreachable(parent context.Context, limit time.Duration, err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if errors.Is(parent.Err(), context.Canceled) {
		return &Error{Kind: Canceled, Message: "canceled", Err: context.Canceled}
	}
	if errors.Is(parent.Err(), context.DeadlineExceeded) {
		return &Error{Kind: Outage, Message: "no answer in time", Next: nextLater, Err: context.DeadlineExceeded}
	}
	fault := &Error{Kind: Outage, Next: nextLater, Err: err}
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var cert *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()):
		// It had its time; another try would only double the wait.
		fault.Message = fmt.Sprintf("no answer within %s", limit)
	case errors.As(err, &dns):
		fault.Message, fault.again = "the host's name cannot be resolved", dns.IsTemporary
		fault.Next = "check the network and the service's address in the catalog"
	case errors.As(err, &cert), errors.As(err, &authority), errors.As(err, &host):
		fault.Message = "the certificate is not trusted"
		fault.Next = "look for a proxy in between, and at SSL_CERT_FILE"
	case errors.As(err, &plain), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		fault.Message, fault.Next = "the address does not speak TLS", "check the service's address in the catalog"
	case errors.Is(err, syscall.ECONNREFUSED):
		fault.Message, fault.again = "the connection was refused", true
	default:
		fault.Message, fault.again = "the connection was lost", true
	}
	return fault
}
