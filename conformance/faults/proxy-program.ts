import { readFileSync } from 'node:fs';
import { answerParent } from '../../testkit/answer-parent.ts';
import { type Fault, FaultProxy, type ProxiedRequest } from '../../testkit/fault-proxy.ts';
import { type ApiFault, type ProxyRequest, proxyRequest } from './proxy-messages.ts';

// Stands before a lab's API server, as one of its own: node proxy-program.ts URL ADDRESS PORT FOLDER-OF-CERTIFICATES

const [url = '', address = '', port = '', folder = ''] = process.argv.slice(2);
const read = (name: string) => readFileSync(`${folder}/${name}`, 'utf8');
let present: ApiFault | undefined;

const certificate = { certificate: read('apiserver.crt'), privateKey: read('apiserver.key') };
const target = { url, credentials: { authority: read('ca.crt') } };
const proxy = await FaultProxy.start(target, decide, { address, port: Number(port), certificate });

answerParent(proxyRequest, answer);

function decide({ isWatch }: ProxiedRequest): Fault | undefined {
  if (present?.kind !== 'answer') return isWatch ? present : undefined;
  const { kind, status, retryAfterSeconds } = present;
  return { kind, status, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}

function answer(request: ProxyRequest): unknown {
  switch (request.kind) {
    case 'begin':
      present = request.fault;
      return proxy.dropConnections();
    case 'end':
      present = undefined;
      return proxy.dropConnections();
    case 'counts':
      return { requests: proxy.faults.values().reduce((sum, count) => sum + count, 0), events: proxy.eventsToldOtherwise };
  }
}
