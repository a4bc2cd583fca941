import type { FieldRef } from './provenance.ts';
import type { Direction } from './verdict.ts';

/**
 * What becomes of a request that has not the header that a rule asks for, and would be allowed otherwise: denied, or allowed and logged,
 * given the header in addition, without it, or with it instead of what it has.
 * @see https://docs.cilium.io/en/stable/security/policy/language/#http
 */
export type HeaderMismatch = 'deny' | 'log' | 'add' | 'delete' | 'replace';

export type HeaderValue =
  | { readonly kind: 'literal'; readonly text: string }
  /**
   * A key of a Secret, whose value stands in nothing that is shown. An empty key: the only one that there is. `fallback` is the value as
   * long as the Secret cannot be had; without it, no request matches then.
   */
  | { readonly kind: 'secret'; readonly namespace: string; readonly name: string; readonly key: string; readonly fallback?: string };

/** A header that a request must have. */
export interface HeaderRule {
  /** In lower case. */
  readonly name: string;
  /** Absent: any, and what is added is empty. */
  readonly value?: HeaderValue;
  readonly mismatch: HeaderMismatch;
  readonly source: FieldRef;
}

/** A regular expression (RE2) for the whole of a text. */
export interface FullMatch {
  readonly regex: string;
  readonly source: FieldRef;
}

/** All that is there must match. Nothing there: every request matches. */
export interface HttpRule {
  /** Of `:method`. */
  readonly method?: FullMatch;
  /** Of `:path`, with the query. */
  readonly path?: FullMatch;
  /** Of `:authority`. */
  readonly host?: FullMatch;
  readonly headers: readonly HeaderRule[];
  readonly source: FieldRef;
}

/**
 * Why a request is refused whatever rules say: servers read it in different ways. Several hosts, of which each takes another; segments of dots
 * with parameters (`/..;/`), which some leave out before they resolve dots and some after.
 */
export type RequestRefusal = 'several-hosts' | 'dots-with-parameters';

/** A server name of TLS: `*` stands for what is within one label, `**` for one label or more. In lower case. */
export interface ServerNameRule {
  readonly pattern: string;
  readonly source: FieldRef;
}

/** Rules of one kind, of which any allows. */
export type SlotRules =
  | { readonly kind: 'http'; readonly rules: readonly HttpRule[] }
  | { readonly kind: 'tls'; readonly rules: readonly ServerNameRule[] };

/** What decides of the flows that verdicts give to it. Equal slots are the same object from one compilation to the next. */
export interface Slot {
  /** Stays as long as the clauses do that it has rules from: `http/ingress/` or the like, and a hash of these. */
  readonly name: string;
  readonly direction: Direction;
  readonly rules: SlotRules;
  /** What allows everything besides, without rules of layer 7; sorted. Nothing: only the rules allow. */
  readonly allowsAll: readonly FieldRef[];
  /** Whether what its rules do not allow passes, and is told of. Absent: it does not pass. */
  readonly audits?: true;
  /** Whether it decides of what comes to Ingresses, which their own listeners serve. Absent: what it allows goes on to where it was sent. */
  readonly ofIngresses?: true;
}
