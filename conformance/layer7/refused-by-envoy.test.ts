import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { z } from 'zod';
import { envoyBinary } from '../../cli/envoy-binary.ts';
import { statusSchema } from '../../controller/admin/status.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { clientAndWeb } from './client-and-web.ts';
import { wordOf } from './http-peer.ts';
import { app, ciliumPolicy, tcpPort } from './policies.ts';

const policy = (rule: object) =>
  ciliumPolicy({
    name: 'web',
    app: 'web',
    ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{ path: '/plain' }, rule])] }],
  });
const PLAIN = { path: '/[a-c]' };
/** Takes a filter more: one that takes away what looks like the header. */
const OF_HEADER = { headers: ['X-Role: admin'] };

const WITHOUT_CAPABILITY = 'exec setpriv --bounding-set=-net_raw,-net_admin --inh-caps=-net_raw,-net_admin';
const WITHOUT_EXTENSION = '--disable-extensions envoy.filters.http/envoy.filters.http.header_mutation';

const findings = z.array(z.looseObject({ code: z.string(), message: z.string() }));

/** A program that is Envoy but for something, until it is mended. */
class LesserEnvoy {
  readonly path: string;

  constructor(folder: TemporaryFolder, name: string, { before = 'exec', after = '' }) {
    this.path = folder.join(name);
    this.#write(before, after);
  }

  mend(): void {
    this.#write('exec', '');
  }

  #write(before: string, after: string): void {
    writeFileSync(this.path, `#!/bin/sh\n${before} ${envoyBinary()} "$@" ${after}\n`, { mode: 0o755 });
  }
}

describe('what Envoy refuses of a slot', needs('root', 'netns', 'envoy', 'bpf'), () => {
  const folder = new TemporaryFolder();
  after(() => folder.dispose());

  for (const [part, lesser, rule, told] of [
    [
      'listener',
      new LesserEnvoy(folder, 'incapable', { before: WITHOUT_CAPABILITY }),
      PLAIN,
      /^Envoy of node node-1 refuses the listener of slot http\/ingress\/\S+, so what these rules decide of is dropped there: .*Setting socket options failed$/,
    ],
    [
      'filter',
      new LesserEnvoy(folder, 'low', { after: WITHOUT_EXTENSION }),
      OF_HEADER,
      /^Envoy of node node-1 refuses the filter of slot http\/ingress\/\S+, so it keeps what it had: .*header_mutation/,
    ],
  ] as const) {
    describe(part, () => {
      const said: string[] = [];
      const scene = clientAndWeb(policy(PLAIN), { envoy: lesser.path, onLine: (line) => said.push(line) });
      const read = async <T>(page: string, view: z.ZodType<T>): Promise<T> =>
        view.parse(
          JSON.parse(
            await scene()
              .lab.lab.node('node-1')
              .run(['curl', '-sSf', `http://127.0.0.1:9870${page}`]),
          ),
        );
      const refused = async () => (await read('/diagnostics', findings)).filter(({ code }) => code === 'RejectedByEnvoy');

      test('is told of the policy, in the log and in the status, until it is mended', async () => {
        scene().lab.write('web', [policy(rule)]);
        await eventually(async () => {
          // Listeners of Ingresses may be refused for the same reason.
          const messages = (await refused()).map(({ message }) => message);
          assert.ok(
            messages.some((message) => told.test(message)),
            [...messages, ...said].join('\n'),
          );
          assert.ok(
            said.some((line) => line.includes('RejectedByEnvoy') && line.includes('web')),
            said.join('\n'),
          );
          const [slot] = (await read('/status', statusSchema)).slots ?? [];
          assert.ok(part === 'listener' ? slot?.refusal : slot?.filterRefusal, JSON.stringify(slot));
        });
        assert.equal(wordOf(await scene().ask({ path: '/plain', timeoutMs: 500 })), part === 'listener' ? 'timeout' : '200');
        lesser.mend();
        await scene().lab.sluices.get('node-1')?.killEnvoy();
        await eventually(async () => {
          assert.deepEqual(await refused(), []);
          const [slot] = (await read('/status', statusSchema)).slots ?? [];
          assert.deepEqual([slot?.ready, slot?.refusal, slot?.filterRefusal], [true, undefined, undefined]);
        });
        assert.equal(wordOf(await scene().ask({ path: '/plain' })), '200');
      });
    });
  }
});
