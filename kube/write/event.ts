import { createHash } from 'node:crypto';
import { type Diagnostic, formatPath, type ObjectRef } from '../../model/index.ts';
import { formatMicroTime } from '../micro-time.ts';
import { apiVersionOf } from './resource-path.ts';

const NOTE_BYTES = 1_024;
const NAME_LENGTH = 253;

export interface EventFinding {
  readonly diagnostic: Diagnostic;
  /** Of the diagnostic's object. */
  readonly uid: string;
}

/** An Event before it is known when, and by whom, it is written. */
export interface EventDraft {
  /** The same wherever and whenever the same is found, so that nothing is told twice. */
  readonly ref: ObjectRef;
  readonly severity: Diagnostic['severity'];
  readonly fields: Readonly<Record<string, unknown>>;
}

/** @returns undefined for what no Event is written about: what is merely worth knowing, and kinds that are none of our business */
export function draftEvent({ diagnostic, uid }: EventFinding): EventDraft | undefined {
  const { object, severity, code, message, path } = diagnostic;
  const apiVersion = object && apiVersionOf(object.kind);
  if (object === undefined || apiVersion === undefined || severity === 'info') return undefined;
  const place = formatPath(path);
  const identity = JSON.stringify([uid, code, place, message]);
  const suffix = createHash('sha256').update(identity).digest('hex').slice(0, 20);
  // An Event stands in the namespace of its object; for one without, in `default`.
  const namespace = object.namespace || 'default';
  const regarding = { apiVersion, kind: object.kind, name: object.name, uid, ...(object.namespace && { namespace }) };
  const note = cutTo(NOTE_BYTES, place === '' ? message : `${place}: ${message}`);
  return {
    ref: { kind: 'Event', namespace, name: `${object.name.slice(0, NAME_LENGTH - suffix.length - 1)}.${suffix}` },
    severity,
    fields: { regarding, note, reason: code, action: 'Ingest', type: 'Warning' },
  };
}

/** The Event as it is created: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
export function eventManifest({ ref, fields }: EventDraft, reporter: { readonly controller: string; readonly instance: string }, at: Date) {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: ref.namespace, name: ref.name },
    eventTime: formatMicroTime(at),
    reportingController: reporter.controller,
    reportingInstance: reporter.instance.slice(0, 128),
    ...fields,
  };
}

/** Cuts between characters, with an ellipsis. */
function cutTo(bytes: number, text: string): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const ellipsis = '…';
  let room = bytes - Buffer.byteLength(ellipsis);
  let cut = '';
  for (const character of text) {
    room -= Buffer.byteLength(character);
    if (room < 0) break;
    cut += character;
  }
  return cut + ellipsis;
}
