import type { z } from 'zod';
import type { ObjectRef } from '../model/index.ts';
import { type Finding, finding } from './codes.ts';
import { describeIssues } from './issues.ts';
import { withoutNulls } from './nulls.ts';
import { type KubeObject, refOf, VIEWS } from './object.ts';
import { quote } from './quote.ts';
import { label, subdomain } from './views/metadata.ts';

/** What an object turned out to be. */
export type Validation =
  | { readonly result: 'valid'; readonly ref: ObjectRef; readonly object: KubeObject }
  /** Of a kind that is read, but wrong. `ref` is absent where not even its name can be read. */
  | { readonly result: 'invalid'; readonly ref?: ObjectRef; readonly findings: readonly Finding[] }
  /** Of a kind that is not read; the findings say so where it would be read in another API version. */
  | { readonly result: 'ignored'; readonly findings: readonly Finding[] };

const IGNORED: Validation = { result: 'ignored', findings: [] };

const VIEW_BY_TYPE: ReadonlyMap<string, z.ZodType<KubeObject>> = new Map(Object.entries(VIEWS));

const CLUSTER_KINDS: ReadonlySet<string> = new Set([
  'IngressClass',
  'SluiceSettings',
  'Node',
  'Namespace',
  'CiliumClusterwideNetworkPolicy',
  'CiliumClusterwideEnvoyConfig',
]);

/** The API version to use instead, by `group/kind` of versions that are no longer served. */
const PRESENT_VERSIONS: ReadonlyMap<string, string> = new Map([
  ['extensions/Ingress', 'networking.k8s.io/v1'],
  ['networking.k8s.io/Ingress', 'networking.k8s.io/v1'],
  ['networking.k8s.io/IngressClass', 'networking.k8s.io/v1'],
  ['discovery.k8s.io/EndpointSlice', 'discovery.k8s.io/v1'],
  ['/Service', 'v1'],
  ['/Secret', 'v1'],
  ['networking.k8s.io/NetworkPolicy', 'networking.k8s.io/v1'],
  ['extensions/NetworkPolicy', 'networking.k8s.io/v1'],
]);

/**
 * Reads one object as the API server or a manifest has it. `raw` must be a tree of plain data, without cycles. Never
 * throws for bad input; messages never hold a value of a Secret.
 */
export function validateObject(raw: unknown): Validation {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return notAnObject('must be a Kubernetes object', raw);
  const apiVersion: unknown = Reflect.get(raw, 'apiVersion');
  const kind: unknown = Reflect.get(raw, 'kind');
  if (typeof kind !== 'string' || kind === '') return { result: 'invalid', findings: [finding('NotAnObject', 'has no kind', ['kind'])] };
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    return { result: 'invalid', findings: [finding('NotAnObject', `is a ${quote(kind)} without apiVersion`, ['apiVersion'])] };
  }
  const view = VIEW_BY_TYPE.get(`${apiVersion}/${kind}`);
  return view ? lookThrough(view, withoutNulls(raw), kind) : unread(apiVersion, kind);
}

function notAnObject(message: string, raw: unknown): Validation {
  const what = raw === null || typeof raw === 'object' ? `, not ${quote(raw)}` : ', not a single value';
  return { result: 'invalid', findings: [finding('NotAnObject', `${message}${what}`)] };
}

function lookThrough(view: z.ZodType<KubeObject>, raw: unknown, kind: string): Validation {
  const seen = view.safeParse(raw);
  if (seen.success) return { result: 'valid', ref: refOf(seen.data), object: seen.data };
  const ref = refOfRaw(raw, kind);
  const findings = describeIssues(seen.error.issues, raw, kind === 'Secret');
  return ref ? { result: 'invalid', ref, findings } : { result: 'invalid', findings };
}

function refOfRaw(raw: unknown, kind: string): ObjectRef | undefined {
  const metadata = property(raw, 'metadata');
  const name = subdomain.safeParse(property(metadata, 'name'));
  const namespace = CLUSTER_KINDS.has(kind) ? '' : label.safeParse(property(metadata, 'namespace') || 'default').data;
  return name.success && namespace !== undefined ? { kind, namespace, name: name.data } : undefined;
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function unread(apiVersion: string, kind: string): Validation {
  if (apiVersion === 'v1' && kind === 'Endpoints') {
    return { result: 'ignored', findings: [finding('UseEndpointSlice', 'Endpoints are not read: use an EndpointSlice', ['kind'])] };
  }
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const present = PRESENT_VERSIONS.get(`${group}/${kind}`);
  if (present === undefined) return IGNORED;
  const message = `${kind} of ${quote(apiVersion)} is not read: use ${present}`;
  return { result: 'ignored', findings: [finding('UnsupportedVersion', message, ['apiVersion'])] };
}
