import { runCyclonusSuite } from './cyclonus/main.ts';
import { runIngressSuite } from './ingress/main.ts';
import type { Streams } from './streams.ts';

type Suite = (args: readonly string[], streams: Streams) => Promise<number>;

const SUITES: Readonly<Record<string, Suite>> = { cyclonus: runCyclonusSuite, ingress: runIngressSuite };

const [name = '', ...args] = process.argv.slice(2);
const suite = Object.hasOwn(SUITES, name) ? SUITES[name] : undefined;
if (suite === undefined) {
  console.error(
    `usage: npm run conformance -- SUITE [OPTIONS]\n\nSuites: ${Object.keys(SUITES).join(', ')}. Each explains itself with --help.`,
  );
  process.exitCode = 2;
} else {
  process.exitCode = await suite(args, {
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
  });
}
