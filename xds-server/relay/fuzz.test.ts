import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryResponseSchema } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import fc from 'fast-check';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { CLUSTER_TYPE } from '../serve/index.ts';
import { decodeLog, encodeRecord } from './record.ts';
import { decodeDelta } from './wire.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 2_000);
const LOG = 'a log';

/** A record that says itself to be whole, whatever is in it. */
function sealed(payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header.write('SLR1');
  header.writeUInt32BE(payload.length, 4);
  const digest = hash('sha256', Buffer.concat([Buffer.from(`${LOG}\0`), payload]), 'buffer').subarray(0, 16);
  return Buffer.concat([header, digest, payload]);
}

test('a record that another version wrote is skipped if it cannot be read, and its neighbours are there', () => {
  const [before, after] = ['before', 'after'].map((name) => modelResource(CLUSTER_TYPE, name, '1'));
  assert.ok(before && after);
  let damaged = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (payload) => {
      const around = [before, after].map((resource) => encodeRecord(LOG, { kind: 'put', resource }));
      const contents = decodeLog(LOG, Buffer.concat([...around.slice(0, 1), sealed(payload), ...around.slice(1)]));
      const names = contents.records.map((record) => (record.kind === 'put' ? record.resource.name : record.name.name));
      assert.deepEqual([names.at(0), names.at(-1)], ['before', 'after']);
      damaged += contents.damaged;
    }),
    { numRuns: RUNS },
  );
  assert.ok(damaged > RUNS / 4, `${damaged} of ${RUNS}`);
});

test('any bytes of a log are read without an error', () => {
  const piece = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(Buffer.from('SLR1')), fc.uint8Array({ maxLength: 20 }).map(sealed));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const bytes = Buffer.concat(pieces);
      assert.ok(decodeLog(LOG, bytes).end <= bytes.length);
    }),
    { numRuns: RUNS },
  );
});

test('a response that was tampered with is read or refused, and what it says is of the declared shape', () => {
  const whole = toBinary(
    DeltaDiscoveryResponseSchema,
    create(DeltaDiscoveryResponseSchema, {
      typeUrl: CLUSTER_TYPE,
      nonce: '1',
      resources: [
        {
          name: 'a',
          version: '1',
          resource: { typeUrl: CLUSTER_TYPE, value: Buffer.from('body') },
          metadata: { filterMetadata: { 'sluice.requires': { [CLUSTER_TYPE]: ['b', 'c'] } } },
        },
      ],
      removedResources: ['d'],
    }),
  );
  const flip = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
  let read = 0;
  fc.assert(
    fc.property(fc.array(flip, { maxLength: 6 }), fc.nat(whole.length), (flips, length) => {
      const bytes = Uint8Array.from(whole);
      for (const { at, to } of flips) bytes[at] = to;
      try {
        const { resources, removed } = decodeDelta(bytes.subarray(0, length));
        read++;
        for (const { name, body, requires } of resources) {
          assert.deepEqual([typeof name, body instanceof Uint8Array], ['string', true]);
          for (const required of requires) assert.deepEqual([typeof required.typeUrl, typeof required.name], ['string', 'string']);
        }
        for (const name of removed) assert.equal(typeof name, 'string');
      } catch (error) {
        assert.ok(error instanceof Error && error.name !== 'AssertionError', String(error));
      }
    }),
    { numRuns: RUNS },
  );
  assert.ok(read > 0 && read < RUNS, `${read} of ${RUNS}`);
});
