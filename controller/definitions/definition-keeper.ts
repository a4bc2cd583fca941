import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type ApiClient, ApiError, ifFound, type Manifest } from '../../kube/index.ts';
import { CILIUM_DEFINITIONS, DEFINITIONS } from './cilium-definitions.ts';

export interface DefinitionKeeperOptions {
  readonly client: ApiClient;
  /** The one that Sluice runs in. */
  readonly namespace: string;
  /** How often to look, in milliseconds, while a definition is absent. Default 5 s. */
  readonly intervalMs?: number;
  /** The same, while all are there, as somebody may remove them, or while it is not allowed. Default 60 s. */
  readonly restMs?: number;
  readonly onCreated: (name: string) => void;
  /** Told the kinds that are there and have a status with conditions, which some of Cilium's lack; whenever it was looked. */
  readonly onKinds: (kinds: ReadonlySet<string>) => void;
  /** Told once of a kind that is there and has none. */
  readonly onMute?: (kind: string) => void;
  /** Something failed; it is tried again. */
  readonly onError: (error: unknown) => void;
}

const INTERVAL_MS = 5_000;
const REST_MS = 60_000;
const ENFORCERS = 'app.kubernetes.io/name=sluice,app.kubernetes.io/component=enforcer';

const definitionView = z.object({
  spec: z.object({
    names: z.object({ kind: z.string() }),
    versions: z.array(
      z.object({
        name: z.string(),
        schema: z.object({ openAPIV3Schema: z.unknown() }).optional(),
        subresources: z.object({ status: z.unknown().optional() }).optional(),
      }),
    ),
  }),
});
const statusView = z.object({
  properties: z.object({ status: z.object({ properties: z.object({ conditions: z.object({}) }) }) }),
});

const podList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ deletionTimestamp: z.string().optional() }),
      status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) }).prefault({}),
    }),
  ),
});

type Definition = z.output<typeof definitionView>;

/** Of the version that is read. */
const VERSION = 'v2';

/**
 * What the leader does for the kinds of Cilium that are read where policies are enforced: makes those that are absent, once an
 * enforcer is ready. What is there is left as it is, of whatever version: nothing here updates or removes. See docs/decisions/crds.md.
 */
export class DefinitionKeeper {
  readonly #options: DefinitionKeeperOptions;
  readonly #mute = new Set<string>();

  constructor(options: DefinitionKeeperOptions) {
    this.#options = options;
  }

  /** Looks until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs = INTERVAL_MS, restMs = REST_MS, onError } = this.#options;
    while (!signal.aborted) {
      let rests = false;
      try {
        rests = await this.tend(signal);
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        // Whoever may mend it does not mend it in a moment.
        rests = error instanceof ApiError && error.code === 'forbidden';
      }
      await sleep(rests ? restMs : intervalMs, undefined, { signal }).catch(() => {});
    }
  }

  /**
   * Does what there is to do.
   * @returns whether all kinds are there
   * @throws ApiError
   */
  async tend(signal?: AbortSignal): Promise<boolean> {
    const absent: Manifest[] = [];
    const kinds = new Set<string>();
    for (const definition of CILIUM_DEFINITIONS) {
      const present = await this.#read(definition, signal);
      if (present === undefined) absent.push(definition);
      else if (hasConditions(present)) kinds.add(present.spec.names.kind);
      else this.#tellMute(present.spec.names.kind);
    }
    this.#options.onKinds(kinds);
    if (absent.length === 0) return true;
    if (await this.#isEnforced(signal)) for (const definition of absent) await this.#create(definition, signal);
    return false;
  }

  #tellMute(kind: string): void {
    if (this.#mute.has(kind)) return;
    this.#mute.add(kind);
    this.#options.onMute?.(kind);
  }

  async #read({ metadata }: Manifest, signal: AbortSignal | undefined): Promise<Definition | undefined> {
    const path = `${DEFINITIONS}/${metadata.name}`;
    const found = await ifFound(this.#options.client.request({ path, ...(signal && { signal }) }));
    return found === undefined ? undefined : definitionView.parse(found);
  }

  /** A policy that is accepted and not enforced is worse than one that is refused. */
  async #isEnforced(signal: AbortSignal | undefined): Promise<boolean> {
    const path = `/api/v1/namespaces/${this.#options.namespace}/pods`;
    const answer = await this.#options.client.request({ path, query: { labelSelector: ENFORCERS }, ...(signal && { signal }) });
    return podList
      .parse(answer)
      .items.some(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined && status.conditions.some((found) => found.type === 'Ready' && found.status === 'True'),
      );
  }

  /** By a POST, which changes nothing that is there. Server-side apply would need the right to change it. */
  async #create(body: Manifest, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#options.client.request({ method: 'POST', path: DEFINITIONS, body, ...(signal && { signal }) });
      this.#options.onCreated(body.metadata.name);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'already-exists') throw error;
    }
  }
}

/** A field that the schema does not know cannot be applied, nor can a status without a path of its own. */
function hasConditions({ spec }: Definition): boolean {
  const version = spec.versions.find(({ name }) => name === VERSION);
  return version?.subresources?.status !== undefined && statusView.safeParse(version.schema?.openAPIV3Schema).success;
}
