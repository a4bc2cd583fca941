import assert from 'node:assert/strict';
import { release } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { type LoadedObject, listDisciplines, listFilters, listLinkedPrograms, ObjectSpec } from 'libbpf-ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { DatapathError } from './index.ts';
import { Judged, LOOPBACK } from './testing/judged.ts';
import { LinkedProgram } from './testing/linked-program.ts';

enterOwnNamespaces();

const OBJECT = new URL('../programs/gen/policy.bpf.o', import.meta.url).pathname;
const [MAJOR = 0, MINOR = 0] = release().split('.').map(Number);
const skip = MAJOR > 6 || (MAJOR === 6 && MINOR >= 6) ? false : `Linux ${release()} has no links of traffic control, which 6.6 brought`;

describe('a device that another eBPF CNI has a program on by a link', needs('root', 'bpf'), () => {
  let judged: Judged;
  let theirs: LoadedObject;
  before(async () => {
    judged = await Judged.open();
    using spec = ObjectSpec.open(OBJECT);
    theirs = await spec.load();
  });
  after(() => {
    theirs[Symbol.dispose]();
    judged[Symbol.dispose]();
  });

  for (const direction of ['ingress', 'egress'] as const) {
    test(`is refused, and left as it is: ${direction}`, { skip }, () => {
      const place = { ifindex: LOOPBACK, direction };
      {
        using _theirs = new LinkedProgram(theirs.program('from_network'), place);
        const before = listLinkedPrograms(place);
        assert.equal(before.length, 1);
        assert.throws(
          () => judged.datapath.attachPod(LOOPBACK),
          (error) => error instanceof DatapathError && error.code === 'hook-taken',
        );
        assert.deepEqual(listLinkedPrograms(place), before);
        for (const each of ['ingress', 'egress'] as const) assert.deepEqual(listFilters({ ifindex: LOOPBACK, direction: each }), []);
        assert.equal(listDisciplines(LOOPBACK).includes('clsact'), false);
      }
      judged.datapath.attachPod(LOOPBACK);
      assert.deepEqual(judged.datapath.attached().get(LOOPBACK), ['from_pod', 'to_pod']);
      judged.datapath.detach(LOOPBACK);
    });
  }
});
