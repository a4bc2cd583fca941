import { appendFileSync } from 'node:fs';
import { LeaderElection, type Leadership, openApiClient } from '../kube/index.ts';

/**
 * A process that stands for election and, while it leads, writes a line `TIME IDENTITY PID.TERM` every few milliseconds, as it would write
 * to the API server. TIME is that of the machine's monotonic clock, in nanoseconds, which all its processes share.
 *
 *     elector.ts KUBECONFIG LOG IDENTITY CLOCK-OFFSET-MS
 */
const [kubeconfig = '', log = '', identity = '', offset = '0'] = process.argv.slice(2);
let term = 0;
let leadership: Leadership | undefined;
const election = new LeaderElection({
  client: openApiClient({ kubeconfig }),
  namespace: 'default',
  name: 'elected',
  identity,
  leaseMs: 3_000,
  renewMs: 2_000,
  retryMs: 300,
  wallClock: () => new Date(Date.now() + Number(offset)),
  onStartedLeading: (given) => {
    term += 1;
    leadership = given;
  },
  onStoppedLeading: () => {
    leadership = undefined;
  },
});
election.start();
setInterval(() => {
  if (leadership?.isHeld()) appendFileSync(log, `${process.hrtime.bigint()} ${identity} ${process.pid}.${term}\n`);
}, 5);
process.once('SIGTERM', () => {
  election.stop().then(() => process.exit(0));
});
