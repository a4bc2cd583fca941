import { runIngressSuite } from './ingress/main.ts';

const SUITES: Readonly<Record<string, typeof runIngressSuite>> = { ingress: runIngressSuite };

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
