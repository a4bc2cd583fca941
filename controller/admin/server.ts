import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fastify, { type FastifyInstance } from 'fastify';
import type { Collection } from '../../collection/index.ts';
import { renderResource, resourceTypeOf, sortResources } from '../render.ts';
import type { Metrics } from './metrics.ts';
import type { AdminView } from './view.ts';

export interface AdminOptions {
  readonly view: AdminView;
  /** Why a request was denied that had this id; undefined where nothing is known of it. Default: there is no such page. */
  readonly explainDenial?: (id: string) => unknown;
  readonly metrics: Metrics;
  /** 0 for any free port. */
  readonly port: number;
}

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
/** A page of another site can make a browser send requests here, but not under one of these names. */
const LOCAL_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;
const RESOURCES_A_TURN = 20;

/**
 * Answers on loopback, and only reads: `/healthz`, `/readyz`, `/metrics`, `/status`, `/model`, `/diagnostics` and
 * `/snapshot` (`?type=cluster` for one type); where requests are denied, `/denials/ID`. Neither private keys nor what Envoy shows to collectors are in
 * any of them.
 * @throws Error with code `EADDRINUSE` where a port is taken
 */
export async function startAdminServer({ view, metrics, port, explainDenial }: AdminOptions): Promise<AdminServer> {
  const app = fastify({ logger: false, forceCloseConnections: true });
  guard(app);
  addProbes(app, view);
  addDumps(app, view);
  if (explainDenial) addDenials(app, explainDenial);
  addMetrics(app, metrics);
  await app.listen({ host: LOOPBACK, port });
  return { port: portOf(app), close: () => app.close() };
}

function portOf(app: FastifyInstance): number {
  const address = app.server.address();
  if (typeof address === 'object' && address) return address.port;
  throw new TypeError('a server that listens has a port');
}

function addMetrics(app: FastifyInstance, metrics: Metrics): void {
  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.render()));
}

function guard(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    if (!LOCAL_HOST.test(request.headers.host ?? ''))
      return reply.code(403).send({ error: 'only for requests to this machine by its own name' });
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return reply.code(405).header('allow', 'GET, HEAD').send({ error: 'nothing can be changed here' });
    }
    return undefined;
  });
  app.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'no such page', pages: PAGES }));
  app.setErrorHandler((_, __, reply) => reply.code(500).send({ error: 'internal error' }));
}

const NO_DENIAL = { error: 'no request with this id was denied here lately' };
const PAGES = ['/healthz', '/readyz', '/metrics', '/status', '/model', '/diagnostics', '/snapshot'];

function addProbes(app: FastifyInstance, view: AdminView): void {
  app.get('/', async () => ({ pages: PAGES }));
  app.get('/healthz', async () => 'ok\n');
  app.get('/readyz', async (_, reply) => {
    const { ready, notReady } = view.status();
    return ready
      ? 'ready\n'
      : reply
          .code(503)
          .type('text/plain')
          .send(`not ready: ${notReady ?? 'starting'}\n`);
  });
}

function addDumps(app: FastifyInstance, view: AdminView): void {
  app.get('/status', async () => {
    const configs = view.configs?.() ?? [];
    return { ...view.status(), ...(configs.length > 0 && { configs }) };
  });
  app.get('/diagnostics', async () => view.diagnostics());
  app.get('/model', async () => Object.fromEntries(Object.entries(view.model()).map(([name, values]) => [name, sortedValues(values)])));
  app.get<{ Querystring: { type?: string } }>('/snapshot', async (request, reply) => {
    const { type } = request.query;
    const resources = sortResources(view.resources()).filter(({ typeUrl }) => type === undefined || resourceTypeOf(typeUrl) === type);
    return reply.type('application/json').send(Readable.from(jsonArray(resources, renderResource)));
  });
}

function addDenials(app: FastifyInstance, explain: (id: string) => unknown): void {
  app.get<{ Params: { id: string } }>('/denials/:id', async (request, reply) => {
    const found = explain(request.params.id);
    return found === undefined ? reply.code(404).send(NO_DENIAL) : found;
  });
}

function sortedValues(collection: Collection<unknown>): unknown[] {
  return [...collection.keys()].sort().map((key) => collection.get(key));
}

/** Writes an array piece by piece, so that a large one does not keep the process from its work. */
async function* jsonArray<T>(items: readonly T[], render: (item: T) => unknown): AsyncGenerator<string> {
  yield '[';
  for (const [index, item] of items.entries()) {
    yield `${index === 0 ? '' : ','}\n${JSON.stringify(render(item))}`;
    if (index % RESOURCES_A_TURN === 0) await nextTurn();
  }
  yield '\n]\n';
}
