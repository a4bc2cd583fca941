import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exampleFlow, exampleResponse } from '../testing/example-flow.ts';
import { summaryOf } from './summary.ts';

const DNS = { kind: 'dns', query: 'a.example.', queryTypes: ['A', 'AAAA'], addresses: [], canonicalNames: [], ttl: 30, code: 0 } as const;
const answered = (fields: object) => exampleFlow({ l7: { ...DNS, type: 'response', ...fields } });

const KAFKA = { kind: 'kafka', apiKey: 'produce', apiVersion: 9, correlationId: 7, topic: 'orders' } as const;

describe('in a few words', () => {
  for (const [flow, words] of [
    [exampleFlow(), 'TCP Flags: SYN'],
    [exampleFlow({ kind: 'connection-ended', traffic: { packets: 12n, bytes: 3_456n } }), 'TCP, 12 packets, 3456 bytes'],
    [exampleFlow({ kind: 'packet-dropped', protocol: 17 }), 'UDP'],
    [exampleFlow({ kind: 'packet-dropped', protocol: 112 }), 'IP protocol 112'],
    [exampleFlow({ protocol: 1, icmpType: 8 }), 'ICMPv4 type 8'],
    [exampleFlow({ protocol: 58, icmpType: 128 }), 'ICMPv6 type 128'],
    [exampleFlow({ protocol: 1, icmpType: 0 }), 'ICMPv4 type 0'],
    [exampleFlow({ kind: 'packet-dropped', protocol: 1 }), 'ICMPv4'],
    [exampleResponse(404), 'HTTP/1.1 404 2ms (GET http://api/v1/users)'],
    [
      exampleFlow({ l7: { kind: 'http', type: 'request', method: 'PUT', url: 'http://api/v2', protocol: 'HTTP/2', headers: [] } }),
      'HTTP/2 PUT http://api/v2',
    ],
    [exampleFlow({ l7: { ...DNS, type: 'request' } }), 'DNS Query a.example. A,AAAA'],
    [answered({ addresses: ['192.0.2.1', '192.0.2.2'] }), 'DNS Answer "192.0.2.1,192.0.2.2" TTL: 30 (Proxy a.example. A,AAAA)'],
    [answered({ canonicalNames: ['b.example.'] }), 'DNS Answer CNAMEs: "b.example." TTL: 30 (Proxy a.example. A,AAAA)'],
    [answered({ code: 3 }), 'DNS Answer RCode: Non-Existent Domain TTL: 30 (Proxy a.example. A,AAAA)'],
    [answered({ code: 77 }), 'DNS Answer RCode: 77 TTL: 30 (Proxy a.example. A,AAAA)'],
    [exampleFlow({ l7: { ...KAFKA, type: 'request', errorCode: 0 } }), "Kafka request produce correlation id 7 topic 'orders'"],
    [
      exampleFlow({ l7: { ...KAFKA, type: 'response', errorCode: 29 } }),
      "Kafka response produce correlation id 7 topic 'orders' return code 29",
    ],
  ] as const) {
    test(words, () => assert.equal(summaryOf(flow), words));
  }
});
