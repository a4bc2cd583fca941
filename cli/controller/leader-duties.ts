import { randomUUID } from 'node:crypto';
import { DefinitionKeeper } from '../../controller/definitions/definition-keeper.ts';
import type { Pipeline } from '../../controller/pipeline/pipeline.ts';
import { AuthorityKeeper, NodeSigner } from '../../controller/trust/index.ts';
import { ActionWriter, type ApiClient, EventRecorder, LeaderElection, type Leadership, type WriteEvent } from '../../kube/index.ts';
import { type Diagnostic, objectKey } from '../../model/index.ts';
import type { Authority } from '../../pki/index.ts';
import type { Log } from '../log.ts';
import type { ConfigParts } from './config-parts.ts';
import { leadingClient } from './leading-client.ts';
import type { PolicyParts } from './policy-parts.ts';

const LEASE = 'sluice-controller';
/** Kinds whose statuses say what Envoys do. */
const PROMISES = new Set(['Ingress', 'SluiceSettings']);

export interface LeaderDutiesOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** The name of this replica's pod. */
  readonly podName: string;
  readonly pipeline: Pipeline;
  /** Undefined where policies are not enforced. */
  readonly policy: Pick<PolicyParts, 'takeActions' | 'uidOf' | 'setStatusKinds' | 'setLeading'> | undefined;
  /** Undefined where these are not served. */
  readonly configs: Pick<ConfigParts, 'takeActions' | 'setStatusKinds' | 'setLeading'> | undefined;
  /** Who signs for nodes, once it is known. */
  readonly authority: () => Promise<Authority>;
  /** Resolves when what is published is in force. */
  readonly programmed: () => Promise<void>;
  /** What cannot be written has changed. */
  readonly onDiagnostics: () => void;
  readonly log: Log;
}

/** What one replica does for all: statuses, Services of Ingresses, Events, the authority of the cluster, certificates of nodes, definitions of kinds. */
export class LeaderDuties {
  readonly #options: LeaderDutiesOptions;
  readonly #writer: ActionWriter;
  readonly #events: EventRecorder;
  readonly #election: LeaderElection;
  #leader: string | undefined;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: LeaderDutiesOptions) {
    this.#options = options;
    const { client, namespace, podName, onDiagnostics } = options;
    this.#writer = new ActionWriter({
      client,
      // An address in a status is a promise.
      before: (action) => (action.kind === 'status' && PROMISES.has(action.ref.kind) ? options.programmed() : undefined),
      onEvent: (event) => this.#tellWrite(event),
      onDiagnostics,
    });
    this.#events = new EventRecorder({ client, instance: podName });
    this.#election = new LeaderElection({
      client,
      namespace,
      name: LEASE,
      identity: `${podName}_${randomUUID()}`,
      onStartedLeading: (leadership) => this.#lead(leadership),
      onStoppedLeading: async () => {
        options.log({ level: 'info', event: 'leader', text: 'leads no more' });
        options.policy?.setLeading(false);
        options.configs?.setLeading(false);
        await this.#work;
      },
      onNewLeader: (identity) => {
        this.#leader = identity === '' ? undefined : podOf(identity);
      },
      onError: (error) => this.#tellFailure('the Lease', error),
    });
  }

  get isLeading(): boolean {
    return this.#election.isLeading;
  }

  /** The pod of whoever leads; undefined while nobody is known to. */
  get leader(): string | undefined {
    return this.#leader;
  }

  get writes(): ReturnType<ActionWriter['state']> {
    return this.#writer.state();
  }

  diagnostics(): readonly Diagnostic[] {
    return this.#writer.diagnostics();
  }

  /** Stands for election. */
  start(): void {
    this.#election.start();
  }

  /** Takes over what the last change made of the actions. */
  takeActions(): void {
    const { pipeline, policy, configs } = this.#options;
    this.#writer.update([...pipeline.takeActions(), ...(policy?.takeActions() ?? []), ...(configs?.takeActions() ?? [])]);
  }

  /** Takes over all findings that there are. */
  takeFindings(diagnostics: readonly Diagnostic[]): void {
    const { pipeline, policy } = this.#options;
    const findings = diagnostics.flatMap((diagnostic) => {
      const uid = diagnostic.object && (pipeline.uidOf(diagnostic.object) ?? policy?.uidOf(diagnostic.object));
      return uid === undefined ? [] : [{ diagnostic, uid }];
    });
    this.#events.sync(findings);
  }

  /** Stops to lead, and lets another one. */
  async stop(): Promise<void> {
    await this.#election.stop();
  }

  #lead(leadership: Leadership): void {
    const { log, namespace, authority } = this.#options;
    const client = leadingClient(this.#options.client, leadership);
    log({ level: 'info', event: 'leader', text: 'leads: writes statuses, Services, Events and certificates for all replicas' });
    this.#options.policy?.setLeading(true);
    this.#options.configs?.setLeading(true);
    this.#writer.resume(leadership);
    this.#events.resume(leadership);
    const keeper = new AuthorityKeeper({ client, namespace, onError: (error) => this.#tellFailure("the cluster's authority", error) });
    const onError = (error: unknown) => this.#tellFailure('the certificates of nodes', error);
    const signer = new NodeSigner({ client, authority, onError });
    this.#work = Promise.allSettled([keeper, signer, ...this.#definitionKeeper(client)].map((each) => each.run(leadership.signal)));
  }

  /** One where policies are enforced, none elsewhere. */
  #definitionKeeper(client: ApiClient): DefinitionKeeper[] {
    const { policy, configs, namespace, log } = this.#options;
    if (policy === undefined) return [];
    return [
      new DefinitionKeeper({
        client,
        namespace,
        onCreated: (name) => log({ level: 'info', event: 'created', text: `CustomResourceDefinition ${name}, which was absent` }),
        onKinds: (kinds) => {
          policy.setStatusKinds(kinds);
          configs?.setStatusKinds(kinds);
        },
        onMute: (kind) =>
          log({ level: 'info', event: 'no status', text: `${kind}: its definition has no status, so nothing is written there` }),
        onError: (error) => this.#tellFailure("the definitions of Cilium's policies", error),
      }),
    ];
  }

  #tellWrite({ action, outcome, againInMs }: WriteEvent): void {
    if (outcome.kind === 'written' || outcome.kind === 'superseded') return;
    const text = `${action.kind} ${objectKey(action.ref)}: ${outcome.reason}; again in ${Math.round(againInMs)} ms`;
    this.#options.log({ level: 'warn', event: 'unwritten', text });
  }

  #tellFailure(what: string, error: unknown): void {
    const text = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    this.#options.log({ level: 'warn', event: 'failed', text });
  }
}

function podOf(identity: string): string {
  return identity.slice(0, identity.lastIndexOf('_'));
}
