import { z } from 'zod';
import { NodeEnforcement } from '../../agent/enforcement/node-enforcement.ts';
import { Datapath } from '../../bpf/datapath/index.ts';
import { answerParent, tellParent } from '../../testkit/answer-parent.ts';

// Puts in force in the network that it was started in what its parent tells it, as an agent does with what a controller tells.

const nameView = z.object({ typeUrl: z.string(), name: z.string() });
const requestView = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('start'), pinFolder: z.string() }),
  z.object({ kind: z.literal('apply'), upserts: z.array(nameView.extend({ body: z.base64() })), removals: z.array(nameView) }),
  /** All has been told. */
  z.object({ kind: z.literal('reconcile') }),
  /** Packets by what became of them. */
  z.object({ kind: z.literal('counters') }),
  z.object({ kind: z.literal('clean-up') }),
]);

/** What a test asks this program for. */
export type NodeRequest = z.input<typeof requestView>;

let datapath: Datapath | undefined;
let enforcement: NodeEnforcement | undefined;

answerParent(requestView, answer);

async function answer(request: z.output<typeof requestView>): Promise<unknown> {
  if (request.kind === 'start') {
    datapath = await Datapath.open({ pinFolder: request.pinFolder, monitor: 'nothing' });
    enforcement = new NodeEnforcement({ datapath, onFailure: (error) => tellParent(String(error)) });
    return undefined;
  }
  if (datapath === undefined || enforcement === undefined) throw new Error('not started');
  if (request.kind === 'counters') {
    const counters = datapath.counters().map(({ direction, outcome, packets }) => [`${direction} ${outcome}`, Number(packets)]);
    return Object.fromEntries(counters);
  }
  if (request.kind === 'reconcile') return await enforcement.reconcile();
  if (request.kind === 'clean-up') return datapath.cleanUp();
  const upserts = request.upserts.map(({ typeUrl, name, body }) => ({
    typeUrl,
    name,
    version: '',
    body: new Uint8Array(Buffer.from(body, 'base64')),
    requires: [],
  }));
  const refusals = await enforcement.apply({ upserts, removals: request.removals });
  if (refusals.size > 0) throw new Error([...refusals].join('; '));
  return undefined;
}
