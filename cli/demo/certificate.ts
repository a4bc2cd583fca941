import { issueWithKey, makeAuthority } from '../../pki/index.ts';

const DAY_MS = 24 * 3_600_000;
const VALIDITY = { lifetimeMs: 29 * DAY_MS, backdateMs: DAY_MS };

/** All in PEM. */
export interface DemoCertificate {
  /** The authority, for `curl --cacert`. Its key is thrown away, so it can sign nothing else. */
  readonly authority: string;
  readonly chain: string;
  readonly privateKey: string;
}

/** Makes a certificate for host names that is valid for 30 days from a day ago, whatever the clocks of clients say. */
export async function makeDemoCertificate(hosts: readonly string[]): Promise<DemoCertificate> {
  const authority = await makeAuthority({ ...VALIDITY, commonName: 'Sluice demo authority' });
  const profile = { ...VALIDITY, commonName: hosts[0] ?? '', dnsNames: hosts, uris: [], usage: 'server' } as const;
  const { certificate, privateKey } = await issueWithKey(authority, profile);
  return { authority: authority.certificate, chain: certificate, privateKey };
}
