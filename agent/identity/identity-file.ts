import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isPair, type KeyedCertificate, splitBundle, tryReadCertificate } from '../../pki/index.ts';

const FILE = 'identity.pem';
const PRIVATE_KEY = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n?/;

/** A certificate and its key in one file that only its owner can read, so that they are never of two ages. */
export class IdentityFile {
  readonly #folder: string;
  readonly #path: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, FILE);
  }

  /** @returns undefined for none that is of use */
  read(): KeyedCertificate | undefined {
    const text = this.#text();
    const [certificate] = splitBundle(text);
    const [privateKey] = PRIVATE_KEY.exec(text) ?? [];
    if (certificate === undefined || privateKey === undefined || !isOfUse(certificate, privateKey)) return undefined;
    return { certificate, privateKey };
  }

  write({ certificate, privateKey }: KeyedCertificate): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const temporary = `${this.#path}.new`;
    // A file that is there already would keep its mode, and a link lead elsewhere.
    rmSync(temporary, { force: true });
    writeFileSync(temporary, `${certificate.trimEnd()}\n${privateKey}`, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, this.#path);
  }

  #text(): string {
    try {
      return readFileSync(this.#path, 'utf8');
    } catch {
      return '';
    }
  }
}

/** A file that was damaged may still be a pair to OpenSSL. */
function isOfUse(certificate: string, privateKey: string): boolean {
  return isPair(certificate, privateKey) && tryReadCertificate(certificate) !== undefined;
}
