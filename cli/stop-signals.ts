const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** Ctrl-C reaches a process from the terminal and once more from the npm that started it; that is one request. */
const ONE_REQUEST_MS = 500;

/** Two requests to stop: the first means to finish what is under way, the second not to wait for it. */
export interface StopSignals {
  readonly graceful: AbortSignal;
  readonly immediate: AbortSignal;
}

/** Listens to the process' signals from now until its end. The reason of each is the name of its signal. */
export function listenForStop(): StopSignals {
  const graceful = new AbortController();
  const immediate = new AbortController();
  let firstAt = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    if (!graceful.signal.aborted) {
      firstAt = performance.now();
      graceful.abort(signal);
    } else if (performance.now() - firstAt >= ONE_REQUEST_MS) {
      immediate.abort(signal);
    }
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return { graceful: graceful.signal, immediate: immediate.signal };
}

/** What something comes to, or undefined where a signal is aborted before. Nothing of it stays with the signal, so it may be tried again and again. */
export async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  const abort = () => aborted.resolve(undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([result, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Resolves when a signal is aborted; a rejection nobody waits for any more must not end the process. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
