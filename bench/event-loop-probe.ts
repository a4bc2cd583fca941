import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

// Loaded into the measured process before anything else. On SIGUSR2 it writes the longest pause of the event loop since the
// last time, in milliseconds, to the file that the environment names, and starts anew.
const RESOLUTION_MS = 1;
const report = process.env['SLUICE_BENCH_PAUSES'];
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();
process.on('SIGUSR2', () => {
  if (report === undefined) return;
  writeFileSync(report, JSON.stringify({ max: delays.max / 1e6, p99: delays.percentile(99) / 1e6 }));
  delays.reset();
});
