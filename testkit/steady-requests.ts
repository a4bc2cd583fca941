import { Agent, type IncomingMessage, request } from 'node:http';

/**
 * A program: asks for a URL at a steady rate, by turns on connections that are kept and on new ones, and never twice for the same
 * answer. When its standard input ends it tells what it has seen, as JSON: how many it sent, and what went wrong.
 *
 *     .setup/node testkit/steady-requests.ts http://10.250.0.1/ web.test 100
 */
const [url = '', host = '', perSecond = '100'] = process.argv.slice(2);

export interface SteadyRequests {
  readonly sent: number;
  readonly failures: readonly string[];
}

/** A request that takes longer has failed. */
const TIMEOUT_MS = 5_000;
const MAX_TOLD = 20;
const kept = new Agent({ keepAlive: true, maxSockets: 8 });
const failures: string[] = [];
const open = new Set<Promise<void>>();
let sent = 0;

function ask(agent: Agent | false): Promise<void> {
  return new Promise((done) => {
    const fail = (what: string) => {
      failures.push(`${new Date().toISOString()} ${agent ? 'kept' : 'new'}: ${what}`);
      done();
    };
    const answered = (response: IncomingMessage) => {
      response.resume();
      response.on('error', (error) => fail(error.message));
      response.on('end', () => (response.statusCode === 200 ? done() : fail(`status ${response.statusCode}`)));
    };
    const asked = request(url, { agent, headers: { host }, timeout: TIMEOUT_MS }, answered);
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.on('error', (error) => fail(error.message));
    asked.end();
  });
}

const timer = setInterval(() => {
  const asking = ask(sent % 2 === 0 && kept);
  sent += 1;
  open.add(asking);
  void asking.then(() => open.delete(asking));
}, 1_000 / Number(perSecond));

process.stdin.resume().on('end', async () => {
  clearInterval(timer);
  await Promise.all(open);
  kept.destroy();
  const seen: SteadyRequests = { sent, failures: failures.slice(0, MAX_TOLD) };
  process.stdout.write(JSON.stringify(seen));
});
