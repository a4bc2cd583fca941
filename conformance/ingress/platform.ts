import type { ManifestObject } from '../../testkit/manifest-objects.ts';

/** Names one object; `namespace` is empty for kinds of the cluster. */
export interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Where the requests for an Ingress go. */
export interface Target {
  readonly address: string;
  readonly httpPort: number;
  readonly httpsPort: number;
}

export interface Deployment {
  readonly namespace: string;
  readonly name: string;
  /** The value of the label `app`, by which a Service of that name selects the pods; default: the name. */
  readonly app?: string;
  /** What the pods say they serve. */
  readonly ingress: string;
  readonly replicas: number;
  /** Whether the pods become ready; default true. */
  readonly ready?: boolean;
}

/** The port that every pod of a {@link Deployment} listens on, and its name. */
export const POD_PORT = { name: 'web', port: 3000 } as const;

/** What a scenario runs on, from its begin to its end. */
export interface Site {
  /** Makes a namespace that ends with the site. */
  addNamespace(name: string): Promise<void>;
  /** Creates objects, or brings them to what they are here. */
  apply(...objects: readonly ManifestObject[]): Promise<void>;
  remove(name: ObjectName): Promise<void>;
  /** Runs echo servers, as many as told, and waits until they are as they should be. */
  deploy(deployment: Deployment): Promise<void>;
  /** Waits until an Ingress is served, and says where. */
  untilServed(name: ObjectName): Promise<Target>;
  /** The address of this process, for endpoints that run in it. */
  ownAddress(): Promise<string>;
  /** The interface to the cluster. @throws where there is none */
  cluster(): ClusterAccess;
  close(): Promise<void>;
}

/** What only a cluster has. */
export interface ClusterAccess {
  /** The whole object; undefined where there is none. */
  read(name: ObjectName): Promise<unknown>;
  /** The objects of a kind in a namespace; all where it is empty. */
  list(apiVersion: string, kind: string, namespace: string): Promise<readonly unknown[]>;
  /** Merges fields into an object, or into its subresource, as somebody else would. */
  merge(name: ObjectName, fields: object, subresource?: 'status'): Promise<void>;
  /** Starts to delete a namespace and does not wait. */
  endNamespace(name: string): Promise<void>;
}

/** Something that serves Ingresses. */
export interface Platform {
  readonly kind: 'cluster' | 'standalone';
  /** How many scenarios it takes at once. */
  readonly concurrency: number;
  /** How long one scenario may take, in milliseconds. */
  readonly limitMs: number;
  /** Names and versions of what is there, for the report. */
  versions(): Promise<Readonly<Record<string, string>>>;
  open(): Promise<Site>;
  close(): Promise<void>;
}
