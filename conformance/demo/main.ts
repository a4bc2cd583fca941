import { playStarWars } from './starwars.ts';

const USAGE = `usage: npm run demo:starwars

Shows policies of layers 3 to 7 at work: pods in network namespaces of this machine, a real Envoy, a real kernel. Needs root; leaves nothing.
`;

const args = process.argv.slice(2);
if (args.length > 0) {
  process.stdout.write(USAGE);
  process.exitCode = args[0] === '--help' ? 0 : 2;
} else {
  const write = (stream: NodeJS.WriteStream) => (text: string) => void stream.write(text);
  process.exitCode = await playStarWars({ out: write(process.stdout), error: write(process.stderr) });
}
