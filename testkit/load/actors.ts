import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { Backend } from '../backend.ts';
import { freePort } from '../ports.ts';
import type { Answer } from './clients.ts';
import { ingressManifest, secretManifest, serviceManifest, sliceManifest } from './objects.ts';
import type { Stage } from './stage.ts';
import { Target } from './target.ts';

/** Writes what it needs to begin with; each call of what it returns makes a change and waits until it is in force. */
export type Actor = (stage: Stage) => Promise<() => Promise<void>>;

const answeredBy = (name: string) => (answer: Answer) => answer.backend === name;

/** An Ingress that moves from one Service to another and back. */
const movesIngress: Actor = async (stage) => {
  const backends = [await stage.startBackend('move-a'), await stage.startBackend('move-b')];
  for (const backend of backends) stage.writer(backend.name).write(serviceManifest(backend.name), stage.sliceOf(backend.name, backend));
  const file = stage.writer('move');
  const write = (service: string) => file.write(ingressManifest('move', { host: 'move.test', paths: [{ service }] }));
  write('move-a');
  const target = stage.target('http', 'move.test', '/', 'move-a');
  stage.load.add(target);
  let turn = 0;
  return async () => {
    turn += 1;
    const next = turn % 2 === 0 ? 'move-a' : 'move-b';
    target.accept(next);
    await stage.change(`Ingress moves to ${next}`, () => write(next), target, answeredBy(next));
    target.settle(next);
  };
};

/** Paths that come, change their type and go, beside one that stays. */
const changesPaths: Actor = async (stage) => {
  const [always, sometimes] = [await stage.startBackend('path-a'), await stage.startBackend('path-b')];
  for (const backend of [always, sometimes])
    stage.writer(backend.name).write(serviceManifest(backend.name), stage.sliceOf(backend.name, backend));
  const file = stage.writer('path');
  const root = { service: always.name };
  const variants = [
    { paths: [root], answers: always.name },
    { paths: [root, { path: '/x', service: sometimes.name }], answers: sometimes.name },
    { paths: [{ path: '/x/y', service: always.name }, root, { path: '/x', service: sometimes.name }], answers: always.name },
    { paths: [{ path: '/x/y', pathType: 'Exact' as const, service: sometimes.name }, root], answers: sometimes.name },
    { paths: [root, { path: '/x/y/z', service: sometimes.name }], answers: always.name },
    { paths: [root, { path: '/x/[a-z]+', pathType: 'ImplementationSpecific' as const, service: sometimes.name }], answers: sometimes.name },
  ];
  const write = (paths: (typeof variants)[number]['paths']) => file.write(ingressManifest('path', { host: 'path.test', paths }));
  write([root]);
  const target = stage.target('http', 'path.test', '/x/y', always.name);
  stage.load.add(target, stage.target('http', 'path.test', '/', always.name));
  let turn = 0;
  return async () => {
    turn += 1;
    const { paths, answers } = variants[turn % variants.length] ?? { paths: [root], answers: always.name };
    target.accept(answers);
    await stage.change(`paths ${paths.length}`, () => write(paths), target, answeredBy(answers));
    target.settle(answers);
  };
};

/** Endpoints that come and go; who has left lives on for a little while, as pods do, and then ends. */
const rotatesEndpoints: Actor = async (stage) => {
  const names = ['pod-0', 'pod-1', 'pod-2'] as const;
  const backends = new Map<string, Backend>();
  for (const name of names) backends.set(name, await stage.startBackend(name));
  stage.writer('pods').write(serviceManifest('pods'), ingressManifest('pods', { host: 'pods.test', paths: [{ service: 'pods' }] }));
  const file = stage.writer('pods-slices');
  const write = (...running: readonly string[]) =>
    // A slice that is lost from a file is kept a while, in case that the file is half-written; an empty one is not doubted.
    file.write(
      ...[...backends.values()].map(({ name, address, port }) =>
        sliceManifest('pods', name, port, running.includes(name) ? [{ address }] : []),
      ),
    );
  write('pod-0', 'pod-1');
  const target = stage.target('http', 'pods.test', '/', 'pod-0', 'pod-1');
  stage.load.add(target);
  let turn = 0;
  return async () => {
    turn += 1;
    const [leaves, stays, comes] = [names[(turn + 2) % 3] ?? '', names[turn % 3] ?? '', names[(turn + 1) % 3] ?? ''] as const;
    target.accept(comes);
    await stage.change(`${leaves} leaves, ${comes} comes`, () => write(stays, comes), target, answeredBy(comes));
    target.settle(stays, comes);
    await sleep(1_500);
    await backends.get(leaves)?.close();
    await sleep(200);
    backends.set(leaves, await stage.startBackend(leaves));
  };
};

/** Endpoints that stay and change their conditions. */
const flipsReadiness: Actor = async (stage) => {
  const [one, other] = [await stage.startBackend('ready-a'), await stage.startBackend('ready-b')];
  stage.writer('ready').write(serviceManifest('ready'), ingressManifest('ready', { host: 'ready.test', paths: [{ service: 'ready' }] }));
  const file = stage.writer('ready-slices');
  const unready = [
    { ready: false },
    { ready: false, serving: true, terminating: true },
    { ready: false, serving: false, terminating: true },
  ] as const;
  const write = (ready: typeof one, rest: typeof one, turn: number) =>
    file.write(
      stage.sliceOf('ready', ready),
      sliceManifest('ready', rest.name, rest.port, [{ address: rest.address, conditions: unready[turn % unready.length] ?? {} }]),
    );
  write(one, other, 0);
  const target = stage.target('http', 'ready.test', '/', one.name);
  stage.load.add(target);
  let turn = 0;
  return async () => {
    turn += 1;
    const [ready, rest] = turn % 2 === 0 ? [one, other] : [other, one];
    target.accept(ready.name);
    await stage.change(`${ready.name} is ready, ${rest.name} is not`, () => write(ready, rest, turn), target, answeredBy(ready.name));
    target.settle(ready.name);
  };
};

/** A Service, its port's number, its endpoints and its affinity all change at once, and the Ingress with them. */
const replacesService: Actor = async (stage) => {
  const [one, other] = [await stage.startBackend('port-a'), await stage.startBackend('port-b')];
  const file = stage.writer('port');
  const write = (turn: number) => {
    const [backend, port] = turn % 2 === 0 ? [one, 80] : [other, turn % 4 === 1 ? 81 : 80];
    const portName = `http-${turn % 3}`;
    return file.write(
      ingressManifest('port', { host: 'port.test', paths: [{ service: 'port', port }] }),
      serviceManifest('port', { ports: [{ name: portName, port }], affinity: turn % 4 > 1 ? 'ClientIP' : 'None' }),
      sliceManifest('port', 'only', backend.port, [{ address: backend.address }], portName),
    );
  };
  write(0);
  const target = stage.target('http', 'port.test', '/', one.name);
  stage.load.add(target);
  let turn = 0;
  return async () => {
    turn += 1;
    const next = (turn % 2 === 0 ? one : other).name;
    target.accept(next);
    await stage.change(`Service with another port, for ${next}`, () => write(turn), target, answeredBy(next));
    target.settle(next);
  };
};

/** A Service whose backend speaks HTTP/1.1 and HTTP/2, spoken to in one or the other. */
const switchesProtocol: Actor = async (stage) => {
  const backend = await stage.startBackend('protocol', { protocol: 'any' });
  stage.writer('protocol').write(ingressManifest('protocol', { host: 'protocol.test', paths: [{ service: 'protocol' }] }));
  stage.writer('protocol-slice').write(stage.sliceOf('protocol', backend));
  const file = stage.writer('protocol-service');
  const write = (appProtocol: string | undefined) =>
    file.write(serviceManifest('protocol', { ports: [{ name: 'http', port: 80, appProtocol }] }));
  write(undefined);
  const target = stage.target('http', 'protocol.test', '/', 'protocol');
  stage.load.add(target);
  let turn = 0;
  return async () => {
    turn += 1;
    const http2 = turn % 2 === 1;
    const version = http2 ? '2.0' : '1.1';
    const isSeen = ({ body }: Answer) => JSON.parse(body).httpVersion === version;
    await stage.change(`appProtocol for HTTP/${version}`, () => write(http2 ? 'kubernetes.io/h2c' : undefined), target, isSeen);
  };
};

/** A Service whose endpoints give way to others that speak another protocol. */
const replacesProtocol: Actor = async (stage) => {
  const [http1, h2c] = [await stage.startBackend('speaks-1'), await stage.startBackend('speaks-2', { protocol: 'h2c' })];
  stage.writer('speaks').write(ingressManifest('speaks', { host: 'speaks.test', paths: [{ service: 'speaks' }] }));
  const file = stage.writer('speaks-service');
  const write = (backend: typeof http1) =>
    file.write(
      serviceManifest('speaks', { ports: [{ name: 'http', port: 80, appProtocol: backend === h2c ? 'kubernetes.io/h2c' : undefined }] }),
      sliceManifest('speaks', 'only', backend.port, [{ address: backend.address }]),
    );
  write(http1);
  const target = stage.target('http', 'speaks.test', '/', http1.name);
  stage.load.add(target);
  let turn = 0;
  return async () => {
    turn += 1;
    const next = turn % 2 === 1 ? h2c : http1;
    target.accept(next.name);
    await stage.change(`endpoints and protocol of ${next.name}`, () => write(next), target, answeredBy(next.name));
    target.settle(next.name);
  };
};

/** Hosts that come, are asked for a while, and go. */
const comesAndGoes: Actor = async (stage) => {
  const backend = await stage.startBackend('guest');
  stage.writer('guest').write(serviceManifest('guest'), stage.sliceOf('guest', backend));
  let turn = 0;
  return async () => {
    turn += 1;
    const name = `guest-${turn % 5}`;
    const file = stage.writer(name);
    const host = turn % 3 === 0 ? `*.${name}.test` : `${name}.test`;
    const target = stage.target('http', host.replace('*', 'any'), '/', 'guest');
    const write = () => file.write(ingressManifest(name, { host, paths: [{ service: 'guest' }] }));
    await stage.changeUntilServed(`host ${host} comes`, write, target);
    await askForAWhile(stage, target, () => file.remove());
  };
};

/** Hosts with TLS that come and go: with a certificate of their own, and with one that others use. */
const comesAndGoesWithTls: Actor = async (stage) => {
  const backend = await stage.startBackend('secure');
  const [resident] = stage.certificates('resident.test');
  const [guest] = stage.certificates('tls-guest.test');
  if (!resident || !guest) throw new Error('certificates are missing');
  stage
    .writer('secure')
    .write(
      serviceManifest('secure'),
      stage.sliceOf('secure', backend),
      secretManifest('resident', resident.certificate, resident.privateKey),
      ingressManifest('resident', { host: 'resident.test', paths: [{ service: 'secure' }], tls: 'resident' }),
    );
  stage.load.add(stage.target('https', 'resident.test', '/', 'secure'));
  let turn = 0;
  return async () => {
    turn += 1;
    const file = stage.writer('tls-guest');
    const target = stage.target('https', 'tls-guest.test', '/', 'secure');
    const shared = ingressManifest('tls-guest-shared', { host: `shared-${turn}.test`, paths: [{ service: 'secure' }], tls: 'resident' });
    const write = () =>
      file.write(
        secretManifest('tls-guest', guest.certificate, guest.privateKey),
        ingressManifest('tls-guest', { host: 'tls-guest.test', paths: [{ service: 'secure' }], tls: 'tls-guest' }),
        ...(turn % 2 === 0 ? [shared] : []),
      );
    await stage.changeUntilServed('TLS host comes', write, target);
    await askForAWhile(stage, target, () => file.remove());
  };
};

/** The certificate of a host is renewed. */
const rotatesCertificate: Actor = async (stage) => {
  const certificates = stage.certificates('rotated.test');
  const backend = await stage.startBackend('rotated');
  stage
    .writer('rotated')
    .write(
      serviceManifest('rotated'),
      stage.sliceOf('rotated', backend),
      ingressManifest('rotated', { host: 'rotated.test', paths: [{ service: 'rotated' }], tls: 'rotated' }),
    );
  const file = stage.writer('rotated-secret');
  const write = (made: (typeof certificates)[number]) => file.write(secretManifest('rotated', made.certificate, made.privateKey));
  const [first] = certificates;
  if (!first) throw new Error('certificates are missing');
  write(first);
  const target = stage.target('https', 'rotated.test', '/', 'rotated');
  stage.load.add(target);
  let turn = 0;
  return async () => {
    turn += 1;
    const next = certificates[turn % certificates.length] ?? first;
    const wanted = new X509Certificate(next.certificate).fingerprint256;
    await stage.changeUntil(
      'certificate is renewed',
      () => write(next),
      target,
      async () => (await shownFingerprint(target)) === wanted,
    );
  };
};

/** So many hosts come and go that route tables are divided, and put together again. */
const comesAndGoesInCrowds: Actor = async (stage) => {
  const backend = await stage.startBackend('crowd');
  stage.writer('crowd').write(serviceManifest('crowd'), stage.sliceOf('crowd', backend));
  return async () => {
    const file = stage.writer('crowds');
    const hosts = Array.from({ length: 300 }, (_, index) => `crowd-${index}.test`);
    const target = stage.target('http', 'crowd-7.test', '/', 'crowd');
    const write = () => file.write(ingressManifest('crowds', ...hosts.map((host) => ({ host, paths: [{ service: 'crowd' }] }))));
    await stage.changeUntilServed('300 hosts come', write, target);
    await sleep(1_500);
    await askForAWhile(stage, target, () => file.remove());
    await sleep(3_000);
  };
};

/** A listener of its own that comes and goes. */
const comesAndGoesWithPort: Actor = async (stage) => {
  const backend = await stage.startBackend('listener');
  const port = await freePort();
  stage.writer('listener').write(serviceManifest('listener'), stage.sliceOf('listener', backend));
  const annotations = { 'ingress.cilium.io/host-listener-port': String(port) };
  return async () => {
    const file = stage.writer('own-listener');
    const target = new Target({ scheme: 'http', port, host: 'listener.test', path: '/' }, 'listener');
    const write = () =>
      file.write(ingressManifest('own-listener', { host: 'listener.test', paths: [{ service: 'listener' }], annotations }));
    await stage.changeUntilServed('listener comes', write, target);
    await askForAWhile(stage, target, () => file.remove());
    await sleep(1_000);
  };
};

export const ACTORS: readonly Actor[] = [
  movesIngress,
  changesPaths,
  rotatesEndpoints,
  flipsReadiness,
  replacesService,
  switchesProtocol,
  replacesProtocol,
  comesAndGoes,
  comesAndGoesWithTls,
  rotatesCertificate,
  comesAndGoesInCrowds,
  comesAndGoesWithPort,
];

export const CERTIFICATES = { 'resident.test': 1, 'tls-guest.test': 1, 'rotated.test': 3 };

/** What goes must be asked no more before it goes, and what was asked last must be answered. */
async function askForAWhile(stage: Stage, target: Target, remove: () => void): Promise<void> {
  stage.load.add(target);
  await sleep(1_000);
  stage.load.remove(target);
  await sleep(700);
  await stage.changeUntilGone('it goes', remove, target);
}

async function shownFingerprint({ address }: Target): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: address.port, servername: address.host, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}
