import { type Action, type EndpointSlice, refOf, type Service } from '../../kube/index.ts';

/** The deletion of exactly this object, and of none that has its name later. */
export function deletion(object: Service | EndpointSlice): Action {
  return { kind: 'delete', ref: refOf(object), apiVersion: object.apiVersion, uid: object.metadata.uid ?? '' };
}
