import type { ObjectRef } from '../../model/index.ts';

/** An object as it is written: plain JSON data. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/**
 * What has to be done so that the cluster is as the model has it. An action is a difference between what is wanted and what
 * the watch shows: it goes away when the difference does.
 */
export type Action = ApplyAction | DeleteAction | StatusAction;

/** Creates an object or brings the fields of the manifest to their values, by server-side apply. */
export interface ApplyAction {
  readonly kind: 'apply';
  readonly ref: ObjectRef;
  readonly manifest: Manifest;
  /** The object that was judged to be ours; absent where there was none, and there still must be none. */
  readonly uid?: string;
}

export interface DeleteAction {
  readonly kind: 'delete';
  readonly ref: ObjectRef;
  readonly apiVersion: string;
  /** The object that was judged to be ours; another one of its name is not deleted. */
  readonly uid: string;
}

/** Brings fields of the status to their values, by server-side apply to the status subresource. */
export interface StatusAction {
  readonly kind: 'status';
  readonly ref: ObjectRef;
  /** `apiVersion`, `kind`, `metadata.name` and `.namespace`, and `status`. */
  readonly manifest: Manifest;
  readonly uid: string;
}
