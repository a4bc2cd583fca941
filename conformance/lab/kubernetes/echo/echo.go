// Package echo is the backend of conformance suites: it answers with what it was asked.
// https://github.com/kubernetes-sigs/ingress-controller-conformance/tree/master/images/echoserver
package echo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// drainTime is how long requests may still take once the pod is told to end.
const drainTime = 10 * time.Second

// Answer is what a request is answered with.
type Answer struct {
	Path      string      `json:"path"`
	Host      string      `json:"host"`
	Method    string      `json:"method"`
	Proto     string      `json:"proto"`
	Headers   http.Header `json:"headers"`
	Namespace string      `json:"namespace"`
	Ingress   string      `json:"ingress"`
	Service   string      `json:"service"`
	Pod       string      `json:"pod"`
}

// Main listens on HTTP_PORT, 3000 by default, until it is told to end by a signal.
func Main() int {
	port := os.Getenv("HTTP_PORT")
	if port == "" {
		port = "3000"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: ":" + port, Handler: Handler()}
	drained := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		drained <- server.Shutdown(ctx)
	}()
	fmt.Println("listening on port", port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "echo:", err)
		return 1
	}
	<-drained
	return 0
}

// Handler answers any path but /health as it was received: nothing is cleaned.
func Handler() http.Handler {
	whoami := Answer{
		Namespace: os.Getenv("NAMESPACE"), Ingress: os.Getenv("INGRESS_NAME"), Service: os.Getenv("SERVICE_NAME"), Pod: os.Getenv("POD_NAME"),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.WriteHeader(http.StatusOK)
			return
		}
		answer := whoami
		answer.Path, answer.Host, answer.Method, answer.Proto, answer.Headers = r.RequestURI, r.Host, r.Method, r.Proto, r.Header
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		json.NewEncoder(w).Encode(answer)
	})
}
