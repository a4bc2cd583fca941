const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Two requests to stop: the first means to finish what is under way, the second not to wait for it. */
export interface StopSignals extends Disposable {
  readonly graceful: AbortSignal;
  readonly immediate: AbortSignal;
}

/** Listens to the process' signals until disposed of. The reason of each is the name of its signal. */
export function listenForStop(): StopSignals {
  const graceful = new AbortController();
  const immediate = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (graceful.signal.aborted) immediate.abort(signal);
    else graceful.abort(signal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    graceful: graceful.signal,
    immediate: immediate.signal,
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
