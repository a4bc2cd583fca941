import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { statusesOf, talkRaw } from './testing/raw-talk.ts';
import { SLOT_OPTIONS, SlotScene } from './testing/slot-scene.ts';
import { httpSlot, type RuleText } from './testing/slots.ts';
import { TappedBackend } from './testing/tapped-backend.ts';

const USER = { kind: 'literal', text: 'user' } as const;
const REQUIRED: readonly RuleText[] = [{ headers: [{ name: 'x-the-role', value: USER, mismatch: 'deny' }] }];
const DELETED: readonly RuleText[] = [{ headers: [{ name: 'x-the-role', value: USER, mismatch: 'delete' }] }];
const OWN_UNDERSCORE: readonly RuleText[] = [{ headers: [{ name: 'x_role', value: USER, mismatch: 'delete' }] }];

type Setting = 'allow' | 'drop' | 'reject';

/** What a server sees of the headers that are sent beside Host, by the setting; undefined: a status other than 200. */
const CASES: readonly (readonly [
  name: string,
  rules: readonly RuleText[],
  sent: readonly string[],
  seen: Readonly<Record<Setting, readonly string[] | number>>,
])[] = [
  ['no rule on a header', [{}], ['a_b: c', 'd-e: f'], { allow: ['a_b: c', 'd-e: f'], drop: ['d-e: f'], reject: 400 }],
  [
    'lookalikes beside the header that must be',
    REQUIRED,
    ['x-the-role: user', 'x_the_role: admin', 'X_The-Role: admin', 'x-the_role: admin', 'x_other: a'],
    { allow: ['x-the-role: user', 'x_other: a'], drop: ['x-the-role: user'], reject: 400 },
  ],
  ['a lookalike instead of it', REQUIRED, ['x_the_role: user'], { allow: 403, drop: 403, reject: 400 }],
  ['a lookalike of one that is removed', DELETED, ['x_the_role: admin', 'x-the-role: admin'], { allow: [], drop: [], reject: 400 }],
  ['none', DELETED, ['x-the-role: user'], { allow: ['x-the-role: user'], drop: ['x-the-role: user'], reject: ['x-the-role: user'] }],
  [
    'a hyphen for an underscore',
    OWN_UNDERSCORE,
    ['x_role: user', 'x-role: admin'],
    { allow: ['x_role: user'], drop: ['x-role: admin'], reject: 400 },
  ],
];

for (const setting of ['allow', 'drop', 'reject'] as const) {
  describe(`headers with underscores: ${setting}`, needs('envoy'), () => {
    let tapped: TappedBackend;
    let scene: SlotScene;
    const ports: number[] = [];

    before(async () => {
      tapped = await TappedBackend.start();
      for (const _ of CASES) ports.push(await freePort());
      const options = { ...SLOT_OPTIONS, http: { ...SLOT_OPTIONS.http, headersWithUnderscores: setting } };
      scene = await SlotScene.start(
        CASES.map(([, rules], index) => ({
          slot: httpSlot(`case-${index}`, rules),
          port: ports[index] ?? 0,
          backendPort: tapped.port,
          options,
        })),
      );
      for (const port of ports) await eventually(() => requestHttp1({ port, host: 'web.test' }));
    });
    after(async () => {
      await scene?.[Symbol.asyncDispose]();
      await tapped?.[Symbol.asyncDispose]();
    });

    for (const [index, [name, , sent, { [setting]: expected }]] of CASES.entries()) {
      test(name, async () => {
        tapped.takeRaw();
        const bytes = `GET / HTTP/1.1\r\nHost: web.test\r\nx-request-id: a\r\n${sent.join('\r\n')}\r\n\r\n`;
        const answer = await talkRaw(ports[index] ?? 0, bytes, (so) => statusesOf(so).length > 0);
        const [status = 0] = statusesOf(answer);
        const head = tapped.takeRaw().split('\r\n');
        const seen = head.filter((line) => line !== '' && !/^(?:GET|Host|x-request-id)/i.test(line));
        assert.deepEqual(status === 200 ? seen : status, expected);
      });
    }
  });
}
