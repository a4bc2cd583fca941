import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump } from 'js-yaml';
import type { DemoCertificate } from './certificate.ts';

const QUICKSTART = fileURLToPath(new URL('../../manifests/examples/quickstart', import.meta.url));
const OWNER_ONLY = 0o600;

/** The ports that the EndpointSlices of the quickstart name. */
export const QUICKSTART_PORTS = { web: 19081, api: 19082 } as const;

export interface DemoFolder {
  readonly manifests: string;
  /** The certificate of the authority, for clients. */
  readonly authority: string;
}

/**
 * Lays the quickstart's manifests out anew in a folder where they may be edited, with the ports that the backends have got
 * and the certificate as a Secret that only its owner can read.
 */
export function layOutDemo(
  folder: string,
  ports: Readonly<Record<keyof typeof QUICKSTART_PORTS, number>>,
  certificate: DemoCertificate,
): DemoFolder {
  const manifests = join(folder, 'manifests');
  rmSync(manifests, { recursive: true, force: true });
  mkdirSync(manifests, { recursive: true, mode: 0o700 });
  cpSync(QUICKSTART, manifests, { recursive: true });
  for (const file of readdirSync(manifests).filter((name) => name.endsWith('.yaml'))) {
    const path = join(manifests, file);
    const text = readFileSync(path, 'utf8');
    const replaced = text
      .replaceAll(`port: ${QUICKSTART_PORTS.web}`, `port: ${ports.web}`)
      .replaceAll(`port: ${QUICKSTART_PORTS.api}`, `port: ${ports.api}`);
    if (replaced !== text) writeFileSync(path, replaced);
  }
  writeFileSync(join(manifests, 'shop-tls.yaml'), dump(secretOf(certificate)), { mode: OWNER_ONLY });
  const authority = join(folder, 'authority.pem');
  writeFileSync(authority, certificate.authority);
  return { manifests, authority };
}

function secretOf({ chain, privateKey }: DemoCertificate): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name: 'shop-tls' },
    stringData: { 'tls.crt': `${chain}\n`, 'tls.key': `${privateKey}\n` },
  };
}
