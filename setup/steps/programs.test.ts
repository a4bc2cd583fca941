import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SetupError } from '../errors.mjs';
import { compilePrograms } from './programs.mjs';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const HEADER = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } seen SEC(".maps");
`;
const SOURCE = `#include "seen.h"
SEC("tc") int pass(struct __sk_buff *skb) { __u32 key = skb->len; return bpf_map_lookup_elem(&seen, &key) != 0; }
`;

describe('compilePrograms', () => {
  let root = '';
  let phases: string[] = [];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sluice-programs-'));
    for (const path of ['.setup', 'bpf/programs']) mkdirSync(join(root, path), { recursive: true });
    cpSync(join(CHECKOUT, 'bpf/libbpf-ts'), join(root, 'bpf/libbpf-ts'), { recursive: true });
    symlinkSync(join(CHECKOUT, 'node_modules'), join(root, 'node_modules'));
    symlinkSync(process.execPath, join(root, '.setup/node'));
    write('seen.h', HEADER);
    write('one.bpf.c', SOURCE);
    write('two.bpf.c', SOURCE);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const write = (name: string, text: string) => writeFileSync(join(root, 'bpf/programs', name), text);
  const object = (name: string) => join(root, `bpf/programs/gen/${name}.bpf.o`);
  const codecs = (name: string) => join(root, `bpf/datapath/gen/${name}.ts`);
  const compile = async () => {
    phases = [];
    return await compilePrograms({ root, folder: join(root, '.setup') }, (phase: string) => phases.push(phase));
  };

  test('compiles every program once, and writes codecs for its maps', async () => {
    assert.deepEqual(await compile(), { changed: true });
    assert.deepEqual(phases, ['one', 'two']);
    assert.ok(statSync(object('two')).size > 0);
    assert.match(readFileSync(codecs('one'), 'utf8'), /seen: \[u32, u64\]/);
    assert.deepEqual(await compile(), { changed: false });
    assert.deepEqual(phases, []);
  });

  for (const { what, change, compiled } of [
    { what: 'a source', change: () => write('one.bpf.c', `${SOURCE}\n// changed\n`), compiled: ['one'] },
    { what: 'a header', change: () => write('seen.h', HEADER.replace('__u64', '__u32')), compiled: ['one', 'two'] },
    { what: 'an object that is gone', change: () => rmSync(object('two')), compiled: ['two'] },
    { what: 'a stamp that is broken', change: () => write('gen/programs.json', '{'), compiled: ['one', 'two'] },
  ]) {
    test(`compiles again what depends on ${what}`, async () => {
      await compile();
      change();
      assert.deepEqual(await compile(), { changed: true });
      assert.deepEqual(phases, compiled);
    });
  }

  test('what has no source any more goes', async () => {
    await compile();
    rmSync(join(root, 'bpf/programs/two.bpf.c'));
    assert.deepEqual(await compile(), { changed: true });
    assert.deepEqual([existsSync(object('one')), existsSync(object('two')), existsSync(codecs('two'))], [true, false, false]);
  });

  test('one that does not compile is an error with what the compiler says; others are made, and its old object stays', async () => {
    await compile();
    const before = readFileSync(object('one'));
    write('one.bpf.c', 'int broken(void) { return missing; }');
    write('two.bpf.c', `${SOURCE}\n// changed\n`);
    const isExpected = (error: unknown) => error instanceof SetupError && error.code === 'programs' && /missing/.test(error.message);
    await assert.rejects(compile, isExpected);
    assert.deepEqual(phases, ['one', 'two']);
    assert.deepEqual(readFileSync(object('one')), before);
    await assert.rejects(compile, isExpected);
    assert.deepEqual(phases, ['one']);
  });
});
