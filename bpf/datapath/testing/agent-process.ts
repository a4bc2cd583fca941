// An agent as far as the datapath goes, which tests end as they like: sets up what it is told, says so, and waits.
import type { SubjectPolicy } from '../../../model/index.ts';
import { Datapath, DatapathError, type Endpoint } from '../index.ts';
import { SMALL } from './judged.ts';

export interface AgentWork {
  readonly pinFolder: string;
  readonly addresses: readonly { readonly prefix: string; readonly identity: number }[];
  readonly policies: readonly SubjectPolicy[];
  readonly endpoints: readonly (readonly [ifindex: number, endpoint: Endpoint])[];
}

/** What it says: `done`, or the code of what went wrong. */
export type AgentAnswer = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly code: string; readonly message: string };

process.once('message', (work: AgentWork) => {
  void perform(work).then((answer) => process.send?.(answer));
});

async function perform({ pinFolder, addresses, policies, endpoints }: AgentWork): Promise<AgentAnswer> {
  try {
    const datapath = await Datapath.open({ pinFolder, sizes: SMALL });
    await datapath.addresses.replace(addresses);
    await datapath.verdicts.replace(policies);
    for (const [ifindex, endpoint] of endpoints) {
      await datapath.endpoints.set(ifindex, endpoint);
      datapath.attachPod(ifindex);
    }
    for (const repair of [await datapath.verdicts.repair(), await datapath.addresses.repair(), await datapath.endpoints.repair()]) {
      if (repair.missing.length > 0) throw new Error(`${repair.missing} was not written`);
    }
    datapath.counters();
    // It lives until it is ended.
    setInterval(() => datapath.counters(), 1_000);
    return { kind: 'done' };
  } catch (error) {
    const cause = error instanceof DatapathError && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    return { kind: 'failed', code: error instanceof DatapathError ? error.code : 'other', message: `${error}${cause}` };
  }
}
