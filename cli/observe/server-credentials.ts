import { readFile } from 'node:fs/promises';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { nodeNameOf, splitBundle, tryReadCertificate } from '../../pki/index.ts';
import { CliError } from '../cli-error.ts';
import { describeFailure } from '../describe-failure.ts';

/** Files of PEM. */
export interface TlsFiles {
  /** The authorities that nodes are known by. */
  readonly ca?: string | undefined;
  /** Who asks. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/**
 * How a server is spoken to: by mutual TLS where there are files for that, as they are by nodes of Sluice.
 * @throws CliError where they are of no use
 */
export async function serverCredentials({ ca, cert, key }: TlsFiles): Promise<ChannelCredentials> {
  if (ca === undefined && cert === undefined && key === undefined) return credentials.createInsecure();
  if (ca === undefined || cert === undefined || key === undefined) throw new CliError('usage', '--ca, --cert and --key go together');
  const [authorities, certificate, privateKey] = await Promise.all([read(ca), read(cert), read(key)]);
  if (splitBundle(authorities.toString()).length === 0) throw new CliError('usage', `${ca} holds no certificate`);
  try {
    return credentials.createSsl(authorities, privateKey, certificate, {
      // A node is a node by whatever address it is reached.
      checkServerIdentity: (_host, { raw }) => (isNode(raw) ? undefined : new Error('the server is no node of Sluice')),
    });
  } catch (cause) {
    throw new CliError('usage', `${cert} and ${key} are not a certificate and its key: ${describeFailure(cause)}`, { cause });
  }
}

function isNode(certificate: Buffer): boolean {
  return nodeNameOf(tryReadCertificate(certificate)?.spiffeId ?? '') !== undefined;
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CliError('usage', `${file} cannot be read: ${describeFailure(cause)}`, { cause });
  }
}
