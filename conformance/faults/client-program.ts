import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { answerParent } from '../../testkit/answer-parent.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { ChangeLog } from '../../testkit/load/change-log.ts';
import { http1Client, http2Client } from '../../testkit/load/clients.ts';
import { Load } from '../../testkit/load/load.ts';
import { Target } from '../../testkit/load/target.ts';
import { type Counts, clientRequest } from './client-messages.ts';

// Asks as clients outside of the cluster do, in the network that it was started in, and does what its parent says.

type ReceivedRequest = z.output<typeof clientRequest>;

const REQUESTS_PER_SECOND = 100;
const PROBE_EVERY_MS = 5;

const changes = new ChangeLog();
let load: Load | undefined;

answerParent(clientRequest, answer);

async function answer(request: ReceivedRequest): Promise<unknown> {
  switch (request.kind) {
    case 'start':
      return start(request);
    case 'note':
      changes.begin(request.text)();
      return undefined;
    case 'counts':
      return counts();
    case 'forgive':
      load?.failures.splice(request.except);
      return counts();
    case 'stop':
      await load?.stop();
      return counts();
    case 'until-answered':
      return await untilAnswered(request.address, request.port, request.host);
  }
}

function start({ address, host, backends, setsUndeliveredApart }: Extract<ReceivedRequest, { kind: 'start' }>): void {
  const clients = [
    ...Array.from({ length: 3 }, () => http1Client('HTTP/1.1 keep-alive', [], { keepAlive: true })),
    ...Array.from({ length: 2 }, () => http1Client('HTTP/1.1 new connections', [], { keepAlive: false })),
    ...Array.from({ length: 3 }, () => http2Client('HTTP/2', [])),
  ];
  load = new Load({
    clients,
    requestsPerSecond: REQUESTS_PER_SECOND,
    changes,
    ...(setsUndeliveredApart && { isUndelivered }),
  });
  load.add(new Target({ scheme: 'http', address, port: 80, host, path: '/' }, ...backends));
  load.start();
}

/** An ICMP message to the client's own attempt to connect, from the router or a node's kernel. */
function isUndelivered(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EHOSTUNREACH' && 'syscall' in error && error.syscall === 'connect';
}

function counts(): Counts {
  const { sent = 0, failed = 0, undelivered = 0, failures = [], byClient = new Map() } = load ?? {};
  return { sent, failed, undelivered, failures: [...failures], byClient: Object.fromEntries(byClient) };
}

/** Each time by a new connection. Gives up when the parent goes. */
async function untilAnswered(address: string, port: number, host: string): Promise<string> {
  for (;;) {
    const answered = await requestHttp1({ address, port, host }).catch(() => undefined);
    if (answered?.status === 200 && answered.backend !== undefined) return answered.backend;
    await sleep(PROBE_EVERY_MS);
  }
}
