import type { IngressOptions } from './annotations/ingest.ts';
import type { Report } from './report.ts';
import { findCover, type TlsHost } from './tls.ts';

/** Decides for each host of an Ingress whether plain HTTP is redirected, and says so once where that is a hard choice. */
export class Redirects {
  readonly #options: IngressOptions;
  readonly #hosts: readonly TlsHost[];
  readonly #report: Report;
  readonly #decided = new Map<string, boolean>();

  constructor(options: IngressOptions, hosts: readonly TlsHost[], report: Report) {
    this.#options = options;
    this.#hosts = hosts;
    this.#report = report;
  }

  has(host: string): boolean {
    const decided = this.#decided.get(host) ?? this.#decide(host);
    this.#decided.set(host, decided);
    return decided;
  }

  #decide(host: string): boolean {
    if (!this.#options.forceHttps) return false;
    const cover = findCover(this.#hosts, host);
    if (cover === undefined || cover.usable) return cover !== undefined;
    const name = host === '*' ? 'any host' : host;
    if (this.#options.forceHttpsExplicit) {
      const message = `plain HTTP for ${name} is redirected to HTTPS, where there is no usable certificate`;
      this.#report.add(cover.path, 'RedirectWithoutCertificate', message);
      return true;
    }
    const message = `plain HTTP for ${name} is not redirected while there is no usable certificate; force-https would do it all the same`;
    this.#report.add(cover.path, 'ServedInPlaintext', message);
    return false;
  }
}
