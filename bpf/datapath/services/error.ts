export type ServiceDatapathErrorCode =
  /** No cgroup file system of version 2 shows the whole machine. */
  | 'no-cgroup'
  /** There are more Services, backends or addresses than the maps hold. What was in force stays. */
  | 'maps-full'
  /** What is to be written is no translation: an address that is none, or a name that is too long. */
  | 'invalid-translation';

/** What goes wrong when Services are written to the kernel, besides what libbpf-ts throws. */
export class ServiceDatapathError extends Error {
  readonly code: ServiceDatapathErrorCode;

  constructor(code: ServiceDatapathErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = 'ServiceDatapathError';
    this.code = code;
  }
}
