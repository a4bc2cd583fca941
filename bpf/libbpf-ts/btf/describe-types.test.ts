import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { BpfError, describeTypes, ObjectSpec } from '../index.ts';
import { CompiledPrograms, loads } from '../testing/compiled-programs.ts';
import { elfVariables } from './elf.ts';

const COMMAND = fileURLToPath(new URL('../bin/libbpf-ts.ts', import.meta.url));
const INDEX = new URL('../index.ts', import.meta.url).href;
const RUNS = 2_000;

const EXPECTED = `// Generated from the types of an eBPF object; see libbpf-ts.

import { array, bytes, i32, i64, i8, perCpu, struct, u16, u32, u64, u8 } from 'libbpf-ts';

export const verdict = { ALLOW: 1, DENY: 2 } as const;

export const flow = struct({ packets: u64, balance: i32, verdict: u32, name: bytes(5), small: i8, port: u16, pointer: u64, inside: struct({ a: u8, b: u32 }) });

export const address = struct({ anonymous0: bytes(16, 4) });

export const flow_key = struct({ source: address, destination: address, ports: array(u16, 2), protocol: u8, is_reply: u8 });

export const told = struct({ when: u64, new_: u32 });

export const bytes_ = struct({ delete_: u64 });

export const maps = {
  flows: [flow_key, flow],
  odd: [bytes(5), bytes(4)],
  counters: [u32, perCpu(i64)],
} as const;
`;

describe('the types of an object', loads(), () => {
  const programs = new CompiledPrograms();
  let path = '';
  before(() => {
    path = programs.compile('layouts');
  });
  after(() => programs[Symbol.dispose]());

  const run = (...args: readonly string[]) => spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8' });

  test('are written as codecs', () => {
    const { status, stdout, stderr } = run('types', path);
    assert.equal(stderr, '');
    assert.equal(stdout, EXPECTED);
    assert.equal(status, 0);
  });

  test('fit the maps of that object, and hold what is written', async () => {
    const module = path.replace('.bpf.o', '.types.ts');
    assert.equal(run('types', path, '--output', module, '--from', INDEX).status, 0);
    const { maps } = await import(module);
    rmSync(module);
    using spec = ObjectSpec.open(path);
    using loaded = await spec.load();
    const [keyCodec, valueCodec] = maps.flows;
    const flows = loaded.map<unknown, unknown>('flows', keyCodec, valueCodec);
    const address = (last: number) => ({ anonymous0: Uint8Array.from({ length: 16 }, (_, index) => (index === 15 ? last : 0)) });
    const key = { source: address(1), destination: address(2), ports: [53, 1024], protocol: 17, is_reply: 1 };
    const value = {
      ...{ packets: 3n, balance: -5, verdict: 2, name: Uint8Array.of(1, 2, 3, 4, 5), small: -1, port: 65535, pointer: 1n },
      inside: { a: 1, b: 2 },
    };
    flows.set(key, value);
    assert.deepEqual([...flows.entries()], [[key, value]]);
    for (const name of ['odd', 'counters'] as const) {
      const [odd, even] = maps[name];
      assert.ok(loaded.map<unknown, unknown>(name, odd, even));
    }
  });

  test('that cannot be read are told, and wrong usage is', () => {
    assert.match(run('types', COMMAND).stderr, /is no ELF file of 64 bits/);
    assert.match(run('types', `${path}.not`).stderr, /ENOENT/);
    assert.equal(run('types', COMMAND).status, 1);
    assert.equal(run('types').status, 2);
    assert.match(run('types', '--wrong').stderr, /usage: libbpf-ts types OBJECT/);
    assert.match(run('--help').stdout, /usage: libbpf-ts types OBJECT/);
  });

  test('of a damaged object are text or an error, and never anything else', () => {
    const whole = readFileSync(path);
    const outcomes = { text: 0, error: 0 };
    let variables = 0;
    const damage = fc.oneof(
      fc.record({ cut: fc.nat(whole.byteLength) }),
      fc.record({ at: fc.nat(whole.byteLength - 1), byte: fc.nat(255) }),
      fc.record({ at: fc.constantFrom(...Array.from({ length: 64 }, (_, at) => at)), byte: fc.nat(255) }),
    );
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
        let object = Uint8Array.from(whole);
        for (const one of damages) {
          if ('cut' in one) object = object.slice(0, one.cut);
          else if (one.at < object.length) object[one.at] = one.byte;
        }
        try {
          variables += elfVariables(object).length;
          assert.match(describeTypes(object), /^\/\/ Generated/);
          outcomes.text += 1;
        } catch (error) {
          if (!(error instanceof BpfError && error.code === 'open-failed')) throw error;
          outcomes.error += 1;
        }
      }),
      { numRuns: RUNS },
    );
    assert.ok(variables > RUNS / 20, `${variables}`);
    assert.ok(outcomes.text > RUNS / 20 && outcomes.error > RUNS / 20, JSON.stringify(outcomes));
  });
});
