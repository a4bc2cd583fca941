#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BpfError, describeTypes } from '../index.ts';

const USAGE = `usage: libbpf-ts types OBJECT [--output FILE] [--from MODULE]

Writes TypeScript for the maps and structs of an eBPF object that was compiled with -g.

  --output FILE   where to write it; default: standard output
  --from MODULE   what the codecs are imported from; default: libbpf-ts

example: libbpf-ts types filter.bpf.o --output filter-types.ts`;

function main(): void {
  const options = { output: { type: 'string', short: 'o' }, from: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [command, object, ...rest] = positionals;
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (command !== 'types' || object === undefined || rest.length > 0) throw new TypeError('which object?');
  const text = describeTypes(readFileSync(object), values.from);
  if (values.output === undefined) process.stdout.write(text);
  else writeFileSync(values.output, text);
}

try {
  main();
} catch (error) {
  const isUsage = error instanceof TypeError;
  if (!(error instanceof BpfError || isUsage || (error instanceof Error && 'syscall' in error))) throw error;
  console.error(`libbpf-ts: ${error.message}${isUsage ? `\n\n${USAGE}` : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}
