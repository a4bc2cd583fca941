import type { ApiRequest } from '../api-server/api-client.ts';
import { ApiError } from '../api-server/api-error.ts';
import type { Action, Manifest } from './action.ts';
import { objectPath } from './resource-path.ts';

/** Under which the API server remembers which fields are ours. */
export const FIELD_MANAGER = 'sluice';

/**
 * The first revision of etcd, that of the empty store: no object has it. An apply patch with a resource version creates what is
 * absent and is a conflict where the object has another one, so this one creates and never touches what is there. (A POST would
 * leave its fields with a second manager, that of updates, from which no later apply could remove them.)
 */
const NO_OBJECT = '1';

/**
 * The request that carries out an action.
 *
 * Conflicts with other field managers are overruled (`force`). Of a Service or EndpointSlice that is right: the uid says that it is
 * one that an Ingress of ours controls. Of a status it is necessary: the controller that served the Ingress before, such as Cilium's,
 * still owns `status.loadBalancer`, and whoever serves an Ingress by its class is who tells its addresses.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/
 * @throws ApiError `not-found` for a kind that is not written
 */
export function actionRequest(action: Action): ApiRequest {
  const path = objectPath(action.ref);
  if (path === undefined) throw new ApiError('not-found', `no ${action.ref.kind} is ever written`);
  if (action.kind === 'delete') {
    const preconditions = { uid: action.uid };
    return { method: 'DELETE', path, body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions } };
  }
  return {
    method: 'PATCH',
    path: action.kind === 'status' ? `${path}/status` : path,
    query: { fieldManager: FIELD_MANAGER, force: 'true' },
    contentType: 'application/apply-patch+yaml',
    body: withPrecondition(action.manifest, action.uid),
  };
}

function withPrecondition(manifest: Manifest, uid: string | undefined): Manifest {
  const { resourceVersion: _, ...metadata } = manifest.metadata;
  return { ...manifest, metadata: { ...metadata, ...(uid === undefined ? { resourceVersion: NO_OBJECT } : { uid }) } };
}

/** How a write ended, by what has to happen next. */
export type Outcome =
  | { readonly kind: 'written' }
  /** The object is not the one that was judged; the watch will say so, and there will be another action or none. */
  | { readonly kind: 'superseded'; readonly reason: string }
  /** Sending it again soon would not help. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** No fault of the action. */
  | { readonly kind: 'unavailable'; readonly reason: string; readonly retryAfterMs?: number };

/** What an error that a write ended with means. Whatever the API server says about a Secret is left out. */
export function outcomeOf(action: Action, error: unknown): Outcome {
  if (!(error instanceof ApiError)) return { kind: 'unavailable', reason: error instanceof Error ? error.message : String(error) };
  const reason = action.ref.kind === 'Secret' ? error.code : error.message;
  switch (error.code) {
    case 'not-found':
      if (action.kind === 'delete') return { kind: 'written' };
      return action.kind === 'status' ? { kind: 'superseded', reason } : { kind: 'refused', reason };
    case 'already-exists':
    case 'conflict':
      return { kind: 'superseded', reason };
    case 'invalid':
      // A patch with the uid of an object that is no more, for one that has its name now, is called invalid and not a conflict.
      return /\bmetadata\.uid\b/.test(error.message) ? { kind: 'superseded', reason } : { kind: 'refused', reason };
    case 'forbidden':
    case 'unauthorized':
      return { kind: 'refused', reason };
    case 'too-many-requests':
      return { kind: 'unavailable', reason, retryAfterMs: error.retryAfterMs ?? 1_000 };
    default:
      return { kind: 'unavailable', reason, ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }) };
  }
}
