import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { EnvoyError } from './envoy-error.ts';

const DEFAULT_TIMEOUT_MS = 5_000;

const envoyState = z.enum(['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING']);

/**
 * As Envoy's `/ready` says: `LIVE` when it serves, `DRAINING` after it was told to fail health checks, the others before
 * all of the first configuration is there.
 */
export type EnvoyState = z.output<typeof envoyState>;

const serverInfo = z.object({
  version: z.string(),
  state: envoyState,
  uptime_current_epoch: z.string(),
  command_line_options: z.object({ concurrency: z.int() }),
  node: z.object({ metadata: z.object({ start: z.string().optional() }).optional() }).optional(),
});

/** Histograms stand in the same list without a name. */
const stats = z.object({ stats: z.array(z.object({ name: z.string().optional(), value: z.union([z.number(), z.string()]).optional() })) });

export interface ServerInfo {
  /** Such as `1.40.0`. */
  readonly version: string;
  readonly state: EnvoyState;
  readonly uptimeSeconds: number;
  readonly workers: number;
  /** What the bootstrap of an `ExternalEnvoy` calls the way it was started; absent for any other. */
  readonly start?: string;
}

export interface StatsQuery {
  /** An RE2 expression that names are searched for. */
  readonly filter?: string;
  readonly type?: 'Counters' | 'Gauges';
}

/**
 * Envoy's admin interface over its Unix socket. Every call opens a connection of its own, so none keeps the process alive.
 * @see https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin
 * @throws EnvoyError `admin-unreachable` and `admin-refused` from every method
 */
export class AdminClient {
  readonly #socket: string;
  readonly #timeoutMs: number;

  constructor(socket: string, options: { readonly timeoutMs?: number } = {}) {
    this.#socket = socket;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  async state(): Promise<EnvoyState> {
    const { body } = await this.#call('GET', '/ready');
    const state = envoyState.safeParse(body.trim());
    if (!state.success) throw refused('/ready', body);
    return state.data;
  }

  async serverInfo(): Promise<ServerInfo> {
    const info = await this.#json('/server_info', serverInfo);
    const start = info.node?.metadata?.start;
    return {
      // COMMIT/1.40.0/Clean/RELEASE/BoringSSL
      version: info.version.split('/')[1] ?? info.version,
      state: info.state,
      uptimeSeconds: Number.parseFloat(info.uptime_current_epoch),
      workers: info.command_line_options.concurrency,
      ...(start !== undefined && { start }),
    };
  }

  /** Counters and gauges by name; those that were never touched are left out. */
  async stats({ filter, type }: StatsQuery = {}): Promise<ReadonlyMap<string, number>> {
    const query = new URLSearchParams({ format: 'json', usedonly: '' });
    if (filter !== undefined) query.set('filter', filter);
    if (type !== undefined) query.set('type', type);
    const answer = await this.#json(`/stats?${query}`, stats);
    const found = new Map<string, number>();
    for (const { name, value } of answer.stats) if (name !== undefined && typeof value === 'number') found.set(name, value);
    return found;
  }

  /**
   * Everything that was ever touched, in Prometheus' text format. Histograms are those of the call before.
   * @param filter an RE2 expression that Envoy's own names are searched for
   */
  async prometheusStats(filter?: string): Promise<string> {
    return await this.#ok('GET', `/stats/prometheus?usedonly${filter === undefined ? '' : `&filter=${encodeURIComponent(filter)}`}`);
  }

  /** From now on the state is `DRAINING`, and HTTP answers ask clients to close their connection. */
  async failHealthChecks(): Promise<void> {
    await this.#ok('POST', '/healthcheck/fail');
  }

  /** Listeners close at once and for good; connections that are open stay. */
  async closeListeners(): Promise<void> {
    await this.#ok('POST', '/drain_listeners');
  }

  /** Envoy ends without waiting for anything. */
  async quit(): Promise<void> {
    await this.#ok('POST', '/quitquitquit');
  }

  async #json<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>> {
    const body = await this.#ok('GET', path);
    try {
      return schema.parse(JSON.parse(body));
    } catch (cause) {
      throw new EnvoyError('admin-refused', `Envoy's admin interface gave an answer to ${path} that cannot be read`, { cause });
    }
  }

  async #ok(method: string, path: string): Promise<string> {
    const { status, body } = await this.#call(method, path);
    if (status !== 200) throw refused(path, `${status} ${body}`);
    return body;
  }

  async #call(method: string, path: string): Promise<{ readonly status: number; readonly body: string }> {
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        request({ socketPath: this.#socket, method, path, agent: false, signal }, resolve).on('error', reject).end();
      });
      return { status: response.statusCode ?? 0, body: await text(response) };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EnvoyError('admin-unreachable', `Envoy's admin interface at ${this.#socket} does not answer: ${reason}`, { cause });
    }
  }
}

function refused(path: string, answer: string): EnvoyError {
  return new EnvoyError('admin-refused', `Envoy's admin interface answered ${path} with ${JSON.stringify(answer.trim().slice(0, 200))}`);
}
