import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from './admin-client.ts';
import { EnvoyError } from './envoy-error.ts';
import type { RunningEnvoy } from './running-envoy.ts';

const POLL_MS = 100;
/** A request that had just been sent when the listeners closed is seen by the second look. */
const QUIET_LOOKS = 2;
const QUIT_MS = 5_000;
const SIGNAL_MS = 2_000;
const ACTIVE = '^(http|listener)\\..*\\.downstream_(rq|cx)_active$';

export type StoppedBy = 'quit' | 'SIGTERM' | 'SIGKILL';

/**
 * Stops Envoy: new connections are refused at once, open requests may finish until the drain time is over, idle connections
 * are not waited for. Then it is asked to quit, and told ever more firmly. Takes the drain time and at most 20 s.
 * @param drainUntil asked again and again, on the clock of `performance.now()`, so that the time can be cut short
 * @returns what ended it; undefined if not even SIGKILL did, which only the kernel can explain
 */
export async function stopEnvoy(envoy: RunningEnvoy, admin: AdminClient, drainUntil: () => number): Promise<StoppedBy | undefined> {
  const exited = envoy.exited.then(() => true as const);
  const drained = await answers(drain(admin, drainUntil, exited));
  // An admin interface that does not answer is not asked twice; and one that quits may do so before it has answered.
  const quits = drained && (await answers(admin.quit()));
  if (await within(quits ? QUIT_MS : POLL_MS, exited)) return 'quit';
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    envoy.signal(signal);
    if (await within(SIGNAL_MS, exited)) return signal;
  }
  return undefined;
}

async function answers(call: Promise<void>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (error instanceof EnvoyError) return false;
    throw error;
  }
}

async function drain(admin: AdminClient, drainUntil: () => number, exited: Promise<true>): Promise<void> {
  await admin.failHealthChecks();
  await admin.closeListeners();
  let quietLooks = 0;
  while (quietLooks < QUIET_LOOKS && performance.now() < drainUntil()) {
    quietLooks = (await countActive(admin)) === 0 ? quietLooks + 1 : 0;
    if (await within(POLL_MS, exited)) return;
  }
}

/** Open requests and upgraded connections of HTTP, and connections that are not HTTP, of which nobody knows whether they are idle. */
async function countActive(admin: AdminClient): Promise<number> {
  let requests = 0;
  let connections = 0;
  for (const [name, value] of await admin.stats({ filter: ACTIVE, type: 'Gauges' })) {
    const [kind, prefix] = name.split('.');
    if (prefix === 'admin' || name.includes('.worker_')) continue;
    if (name.endsWith('.downstream_rq_active')) requests += value;
    else connections += kind === 'listener' ? value : -value;
  }
  return requests + Math.max(connections, 0);
}

async function within(ms: number, happened: Promise<true>): Promise<boolean> {
  const timer = new AbortController();
  const timeout = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([happened, timeout]);
  } finally {
    timer.abort();
  }
}
