import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DockerfileError, parseDockerfile } from './dockerfile.ts';

test('stages with every instruction, comments and continued lines', () => {
  const text = `# first\nFROM debian:bookworm-slim AS a\nRUN one \\\n # between\n && two\nENV A=1 B=x/y\n\nFROM scratch AS b
COPY --from=a /x /y/ /z/\nWORKDIR /w\nUSER 1:2\nENTRYPOINT ["/bin/sh", "-c"]\n`;
  assert.deepEqual(parseDockerfile(text), [
    {
      from: 'debian:bookworm-slim',
      name: 'a',
      line: 2,
      steps: [
        { kind: 'run', command: 'one  && two', line: 3 },
        { kind: 'env', variables: { A: '1', B: 'x/y' }, line: 6 },
      ],
    },
    {
      from: 'scratch',
      name: 'b',
      line: 8,
      steps: [
        { kind: 'copy', from: 'a', sources: ['/x', '/y/'], to: '/z/', line: 9 },
        { kind: 'workdir', path: '/w', line: 10 },
        { kind: 'user', user: '1:2', line: 11 },
        { kind: 'entrypoint', command: ['/bin/sh', '-c'], line: 12 },
      ],
    },
  ]);
});

const REFUSED: readonly (readonly [string, string, number])[] = [
  ['RUN x', 'no-stage', 1],
  ['FROM a', 'invalid-instruction', 1],
  ['FROM a AS b\nVOLUME /x', 'unknown-instruction', 2],
  ['FROM a AS b\nRUN --mount=type=cache,target=/x y', 'invalid-instruction', 2],
  ['FROM a AS b\nRUN ["x"]', 'invalid-instruction', 2],
  ['FROM a AS b\n\nRUN x \\', 'invalid-instruction', 3],
  ['FROM a AS b\nRUN', 'invalid-instruction', 2],
  ['FROM a AS b\nCOPY x', 'invalid-instruction', 2],
  ['FROM a AS b\nCOPY --chown=1 x y', 'invalid-instruction', 2],
  ['FROM a AS b\nENV A="b c"', 'invalid-instruction', 2],
  ['FROM a AS b\nWORKDIR x', 'invalid-instruction', 2],
  ['FROM a AS b\nUSER root', 'invalid-instruction', 2],
  ['FROM a AS b\nENTRYPOINT sh', 'invalid-instruction', 2],
  ['FROM a AS b\nENTRYPOINT []', 'invalid-instruction', 2],
];
for (const [text, code, line] of REFUSED) {
  test(`refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseDockerfile(text),
      (error) => error instanceof DockerfileError && error.code === code && error.line === line,
    );
  });
}

test('the images run as nobody in particular, but for what needs capabilities, on nothing but what is copied in', () => {
  const stages = parseDockerfile(readFileSync(new URL('Dockerfile', import.meta.url), 'utf8'));
  const users = { controller: '65532:65532', agent: '65532:65532', enforcer: '0:65532', envoy: '65532:65532' };
  for (const [name, user] of Object.entries(users)) {
    const stage = stages.find((one) => one.name === name);
    assert.equal(stage?.from, 'scratch');
    assert.deepEqual(
      stage?.steps.filter(({ kind }) => kind === 'user').map((step) => step.kind === 'user' && step.user),
      [user],
    );
  }
});
