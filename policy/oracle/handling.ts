import type { Question } from './network-policy.ts';
import type { PlainObject } from './objects.ts';

const AUDIT = 'policy.sluice.io/audit-mode';
const VISIBILITY = 'policy.cilium.io/proxy-visibility';

/** Whether what policies deny the subject is only told of. */
export function isAudited({ objects, subject }: Question): boolean {
  const [own, all] = [annotationsOf(subject)[AUDIT], annotationsOf(namespaceOf(objects, subject))[AUDIT]];
  if (all === 'pods') return own === 'true';
  return all === 'true' && own !== 'false';
}

/** Whether requests at this port go by Envoy even if no rule asks for them. */
export function isVisible({ objects, subject, direction, protocol, port }: Question): boolean {
  const text = annotationsOf(subject)[VISIBILITY] ?? annotationsOf(namespaceOf(objects, subject))[VISIBILITY] ?? '';
  const wanted = `<${direction}/${port}/${protocol}/http>`;
  return protocol === 'TCP' && text.toLowerCase().split(',').includes(wanted.toLowerCase());
}

function annotationsOf(object: PlainObject | undefined): Readonly<Record<string, string>> {
  return object?.metadata.annotations ?? {};
}

function namespaceOf(objects: readonly PlainObject[], { metadata }: PlainObject): PlainObject | undefined {
  return objects.find((object) => object.kind === 'Namespace' && object.metadata.name === (metadata.namespace ?? 'default'));
}
