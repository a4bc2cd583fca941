/** What lets a client in, at one moment. PEM for certificates and keys. */
export interface Credential {
  readonly token?: string;
  /** RFC 7617 user and password. */
  readonly basic?: { readonly username: string; readonly password: string };
  readonly certificate?: string;
  readonly key?: string;
}

/** Where an API server is and how it is known to be the right one. */
export interface Cluster {
  /** `https://10.0.0.1:6443`, possibly with a path before the API's. */
  readonly server: string;
  /** In PEM; absent means the system's authorities. */
  readonly authority?: string;
  /** The name that its certificate must have, where that is not the host in `server`. */
  readonly serverName?: string;
  /** Nothing about its certificate is checked. */
  readonly insecure?: boolean;
}

/** How to speak to one API server, and as whom. */
export interface Access {
  /** Read for each request; what it gives may change. @throws CredentialsError */
  cluster(): Cluster;
  /** Read for each request. @throws CredentialsError */
  credential(): Promise<Credential>;
  /** What `credential` gave was refused: the next must not come from memory, unless it is another one already. */
  refresh(refused: Credential): void;
  /** Sent with each request: impersonation. */
  readonly headers: Readonly<Record<string, string | string[]>>;
}

export type CredentialsErrorCode =
  /** Neither a kubeconfig nor a service account. */
  | 'not-found'
  /** A file that is named cannot be read. */
  | 'unreadable'
  /** A kubeconfig, or what a plugin answered, is not as it must be. */
  | 'invalid'
  /** A credential plugin failed. */
  | 'plugin-failed';

/** Why there are no credentials. The message holds none. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError';
  readonly code: CredentialsErrorCode;

  constructor(code: CredentialsErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
