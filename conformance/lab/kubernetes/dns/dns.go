// Package dns answers for the names of Services. It knows no others.
package dns

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"sluice.io/lab/kubernetes/client"
)

const (
	largestDatagram = 512
	idleTime        = 10 * time.Second
)

// server answers from records that are replaced as a whole.
type server struct {
	records atomic.Pointer[records]
}

// Main serves by UDP and TCP until it is told to end by a signal.
func Main() int {
	flags := flag.NewFlagSet("dns", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	address := flags.String("address", "", "address to listen on, port 53")
	flags.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, net.JoinHostPort(*address, "53")); err != nil {
		fmt.Fprintln(os.Stderr, "dns:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, kubeconfig, address string) error {
	s := &server{}
	s.records.Store(newRecords(nil, nil))
	if err := s.follow(ctx, kubeconfig); err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	connections, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	go s.servePackets(packets)
	go s.serveConnections(connections)
	<-ctx.Done()
	return nil
}

// follow waits until everything is known for the first time.
func (s *server) follow(ctx context.Context, kubeconfig string) error {
	api, err := client.New(kubeconfig)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(api, 0)
	services, slices := factory.Core().V1().Services(), factory.Discovery().V1().EndpointSlices()
	changed := make(chan struct{}, 1)
	note := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { note() }, UpdateFunc: func(any, any) { note() }, DeleteFunc: func(any) { note() },
	}
	services.Informer().AddEventHandler(handler)
	slices.Informer().AddEventHandler(handler)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	refresh := func() {
		allServices, _ := services.Lister().List(labels.Everything())
		allSlices, _ := slices.Lister().List(labels.Everything())
		s.records.Store(newRecords(allServices, allSlices))
	}
	refresh()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				refresh()
			}
		}
	}()
	return nil
}

func (s *server) servePackets(packets net.PacketConn) {
	query := make([]byte, 4096)
	for {
		length, from, err := packets.ReadFrom(query)
		if err != nil {
			return
		}
		if answer, err := respond(query[:length], s.records.Load(), largestDatagram); err == nil {
			packets.WriteTo(answer, from)
		}
	}
}

func (s *server) serveConnections(connections net.Listener) {
	for {
		connection, err := connections.Accept()
		if err != nil {
			return
		}
		go s.serveConnection(connection)
	}
}

func (s *server) serveConnection(connection net.Conn) {
	defer connection.Close()
	for {
		connection.SetDeadline(time.Now().Add(idleTime))
		var length uint16
		if binary.Read(connection, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(connection, query); err != nil {
			return
		}
		answer, err := respond(query, s.records.Load(), 65535)
		if err != nil {
			return
		}
		if _, err := connection.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}
