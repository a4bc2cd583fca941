import { AUDIT_ANNOTATION, type Namespace, type Pod, refOf, VISIBILITY_ANNOTATION } from '../../kube/index.ts';
import type { Diagnostic, Direction } from '../../model/index.ts';
import { diagnose } from '../report.ts';

/** A port of TCP whose requests are to be seen, whether rules ask for them or not. */
export interface VisiblePort {
  readonly direction: Direction;
  readonly port: number;
}

/** What annotations ask for of how policy treats a pod. */
export interface PodHandling {
  /** Whether what policy does not allow passes, and is told of. */
  readonly audits: boolean;
  /** Sorted, each once. */
  readonly visible: readonly VisiblePort[];
}

export const PLAIN_HANDLING: PodHandling = { audits: false, visible: [] };

/** Cilium's way to say it: direction, port, protocol of layer 4, and that of layer 7. */
const VISIBLE_PORT = /^<(Ingress|Egress)\/(\d{1,5})\/(TCP|UDP|ANY)\/([A-Za-z]+)>$/i;
const MAX_PORT = 65_535;

/**
 * Reads the annotations of a pod and of its namespace. Audit mode takes away protection, so nobody has it by what he may write on his pods alone:
 * the namespace says that all its pods are audited (`true`), or those that ask for it (`pods`). A pod may be left out (`false`). Visibility is a
 * pod's own, or else that of its namespace.
 * @see https://docs.cilium.io/en/v1.13/policy/visibility/
 */
export function readHandling(pod: Pod, namespace: Namespace | undefined): PodHandling {
  const { annotations } = pod.metadata;
  const ofNamespace = namespace?.metadata.annotations ?? {};
  const audits = isAudited(annotations[AUDIT_ANNOTATION], ofNamespace[AUDIT_ANNOTATION]);
  const { visible } = readVisibility(annotations[VISIBILITY_ANNOTATION] ?? ofNamespace[VISIBILITY_ANNOTATION] ?? '');
  return audits || visible.length > 0 ? { audits, visible } : PLAIN_HANDLING;
}

/** What is wrong with these annotations of a pod or a namespace. What is wrong asks for nothing. */
export function diagnoseHandling(object: Pod | Namespace): Diagnostic[] {
  const { [AUDIT_ANNOTATION]: audit, [VISIBILITY_ANNOTATION]: visibility } = object.metadata.annotations;
  const allowed = object.kind === 'Namespace' ? ['true', 'pods', 'false'] : ['true', 'false'];
  const findings: Diagnostic[] = [];
  const find = (name: string, message: string) =>
    findings.push(diagnose(refOf(object), ['metadata', 'annotations', name], 'InvalidAnnotation', message));
  if (audit !== undefined && !allowed.includes(audit))
    find(AUDIT_ANNOTATION, `is ${JSON.stringify(audit)}, not one of: ${allowed.join(', ')}`);
  for (const problem of readVisibility(visibility ?? '').problems) find(VISIBILITY_ANNOTATION, problem);
  return findings;
}

function isAudited(own: string | undefined, ofNamespace: string | undefined): boolean {
  if (ofNamespace === 'pods') return own === 'true';
  return ofNamespace === 'true' && own !== 'false';
}

function readVisibility(text: string): { readonly visible: readonly VisiblePort[]; readonly problems: readonly string[] } {
  const visible = new Map<string, VisiblePort>();
  const problems: string[] = [];
  const parts = text.split(',').map((part) => part.trim());
  for (const part of parts.filter((each) => each !== '')) {
    const [, direction, digits = '', protocol = '', layer7 = ''] = VISIBLE_PORT.exec(part) ?? [];
    const port = Number(digits);
    if (direction === undefined || port < 1 || port > MAX_PORT)
      problems.push(`has ${JSON.stringify(part)}, which is not of the form <Ingress/80/TCP/HTTP>`);
    else if (layer7.toUpperCase() !== 'HTTP') problems.push(`has ${JSON.stringify(part)}: of layer 7 only HTTP can be seen yet`);
    else if (protocol.toUpperCase() === 'UDP') problems.push(`has ${JSON.stringify(part)}: HTTP is seen over TCP only`);
    else
      visible.set(`${direction.toLowerCase()} ${port}`, { direction: direction.toLowerCase() === 'ingress' ? 'ingress' : 'egress', port });
  }
  return { visible: [...visible].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each), problems };
}
