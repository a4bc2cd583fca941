package dns

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestRespond(t *testing.T) {
	known := newRecords(nil, nil)
	known.addresses["web.shop.svc.cluster.local."] = []netip.Addr{netip.MustParseAddr("10.96.0.7"), netip.MustParseAddr("fd00::7")}
	known.services["_http._tcp.web.shop.svc.cluster.local."] = []target{{port: 80, name: "web.shop.svc.cluster.local."}}
	for i := range 100 {
		known.addresses["many.shop.svc.cluster.local."] = append(known.addresses["many.shop.svc.cluster.local."], netip.AddrFrom4([4]byte{10, 1, 1, byte(i)}))
	}
	for _, test := range []struct {
		name string
		kind dnsmessage.Type
		want string
	}{
		{"web.shop.svc.cluster.local.", dnsmessage.TypeA, "RCodeSuccess 1 false"},
		{"WEB.shop.svc.cluster.local.", dnsmessage.TypeAAAA, "RCodeSuccess 1 false"},
		{"web.shop.svc.cluster.local.", dnsmessage.TypeTXT, "RCodeSuccess 0 false"},
		{"_http._tcp.web.shop.svc.cluster.local.", dnsmessage.TypeSRV, "RCodeSuccess 1 false"},
		{"other.shop.svc.cluster.local.", dnsmessage.TypeA, "RCodeNameError 0 false"},
		{"example.test.", dnsmessage.TypeA, "RCodeNameError 0 false"},
		{"many.shop.svc.cluster.local.", dnsmessage.TypeA, "RCodeSuccess 0 true"},
	} {
		question := dnsmessage.Question{Name: dnsmessage.MustNewName(test.name), Type: test.kind, Class: dnsmessage.ClassINET}
		query, _ := build(dnsmessage.Header{ID: 7, RecursionDesired: true}, question, nil)
		raw, err := respond(query, known, largestDatagram)
		if err != nil {
			t.Fatal(err)
		}
		var answer dnsmessage.Message
		if err := answer.Unpack(raw); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%v %d %v", answer.RCode, len(answer.Answers), answer.Truncated); got != test.want || answer.ID != 7 {
			t.Errorf("%s %v: got %s, want %s", test.name, test.kind, got, test.want)
		}
	}
	if _, err := respond([]byte("no query"), known, largestDatagram); err == nil {
		t.Error("what is no query was answered")
	}
}
