package dns

import (
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// lifetime of records in seconds, that which CoreDNS gives those of Services.
const lifetime = 5

// respond gives the answer to a query, cut short with the truncation bit where it would be longer than limit.
func respond(query []byte, known *records, limit int) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	resources, code := look(question, known)
	header = dnsmessage.Header{
		ID: header.ID, Response: true, OpCode: header.OpCode, Authoritative: true, RecursionDesired: header.RecursionDesired,
		RecursionAvailable: true, RCode: code,
	}
	answer, err := build(header, question, resources)
	if err != nil || len(answer) <= limit {
		return answer, err
	}
	header.Truncated = true
	return build(header, question, nil)
}

func look(question dnsmessage.Question, known *records) ([]dnsmessage.Resource, dnsmessage.RCode) {
	name := strings.ToLower(question.Name.String())
	header := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: lifetime}
	var found []dnsmessage.Resource
	addresses, hasAddresses := known.addresses[name]
	targets, hasTargets := known.services[name]
	for _, address := range addresses {
		switch {
		case address.Is4() && question.Type == dnsmessage.TypeA:
			found = append(found, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: address.As4()}})
		case address.Is6() && question.Type == dnsmessage.TypeAAAA:
			found = append(found, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}})
		}
	}
	for _, target := range targets {
		if to, err := dnsmessage.NewName(target.name); err == nil && question.Type == dnsmessage.TypeSRV {
			body := &dnsmessage.SRVResource{Weight: 100, Port: target.port, Target: to}
			found = append(found, dnsmessage.Resource{Header: header, Body: body})
		}
	}
	if hasAddresses || hasTargets {
		return found, dnsmessage.RCodeSuccess
	}
	return nil, dnsmessage.RCodeNameError
}

func build(header dnsmessage.Header, question dnsmessage.Question, answers []dnsmessage.Resource) ([]byte, error) {
	message := dnsmessage.Message{Header: header, Questions: []dnsmessage.Question{question}, Answers: answers}
	return message.Pack()
}
