import { test } from 'node:test';
import { create, type DescField, fromBinary } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { FlowFilterSchema } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { GetFlowsRequestSchema } from '@sluice/envoy-protos/hubble/observer_pb.js';
import fc from 'fast-check';
import { FlowLosses } from '../flow-losses.ts';
import { FlowRing } from '../flow-ring.ts';
import { Observer } from '../hubble/observer.ts';
import { OptionProblem } from '../option-problem.ts';
import { exampleFlow, exampleResponse } from '../testing/example-flow.ts';
import { flowFilter } from './flow-filter.ts';

const RUNS = 3_000;
const FLOWS = [exampleFlow(), exampleResponse(404), exampleFlow({ kind: 'packet-dropped', verdict: 'dropped' })];
const TEXTS: readonly DescField[] = FlowFilterSchema.fields.filter(
  (field) => field.fieldKind === 'list' && field.listKind === 'scalar' && field.scalar === 9,
);
/** What looks like something to one of the fields or another. */
const word = fc.oneof(
  fc.string(),
  fc.stringMatching(/^[a-z0-9./:*+()!=, -]{0,40}$/),
  fc.constantFrom('shop/web', '10.0.0.0/8', 'fd00::/16', '*.example.com', 'app in (a, b)', '4+', '^/v1/(a|b)+$', '443', 'TCP'),
);

test('whatever a filter says, it matches or does not, or what is wrong with it is said', () => {
  const field = fc.constantFrom(...TEXTS);
  fc.assert(
    fc.property(fc.array(fc.tuple(field, word), { maxLength: 4 }), (said) => {
      const filter = create(FlowFilterSchema);
      const fields = reflect(FlowFilterSchema, filter);
      for (const [each, text] of said) if (each.fieldKind === 'list') fields.get(each).add(text);
      const made = flowFilter(filter);
      if (made instanceof OptionProblem) return made.message.length > 0;
      return FLOWS.every((flow) => typeof made(flow) === 'boolean');
    }),
    { numRuns: RUNS },
  );
});

test('whatever bytes a request is of, it is answered or refused', () => {
  const ring = new FlowRing(4);
  for (const flow of FLOWS) ring.add(flow);
  const observer = new Observer({ ring, losses: new FlowLosses(), node: 'n1', version: '1' });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      let request: ReturnType<typeof decode>;
      try {
        request = decode(bytes);
      } catch {
        return;
      }
      observer.flows(request, AbortSignal.abort());
    }),
    { numRuns: RUNS },
  );
});

function decode(bytes: Uint8Array) {
  return fromBinary(GetFlowsRequestSchema, bytes);
}
