import type { DescField, DescMessage, FileRegistry } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';

/** Messages that come into no config unless one that does holds them: what Envoy tells others or is told by them, keeps on disk, or is started with. */
const OUTSIDE = [
  /^envoy\.(admin|data|service|annotations)\./,
  /^envoy\.config\.bootstrap\./,
  /^(udpa|xds)\.annotations\./,
  /^xds\.(data|service)\./,
  /^(validate|google|grpc|opentelemetry|io\.prometheus|zipkin|skywalking|tcmalloc|cel|sluice)\./,
];

/** Vocabularies in which nothing of Envoy's is named, though configs hold them: values, expressions, attributes. */
const VOCABULARIES = /^(google|cel|opentelemetry)\./;

/** Of Envoy's own sources, not of its interface; and of what flows are told by. */
const INTERNAL_FILES = /^(source|cpp2sky|hubble)\//;

/** Every message that may come into a config: since an Any may hold much, all but those known to be outside, and what they hold. */
export function configMessages(registry: FileRegistry): readonly DescMessage[] {
  const reached = new Set<DescMessage>();
  const reach = (message: DescMessage): void => {
    if (reached.has(message)) return;
    reached.add(message);
    for (const { message: held } of message.fields) if (held) reach(held);
  };
  for (const type of registry) if (type.kind === 'message' && !isOutside(type)) reach(type);
  return [...reached];
}

/** Those of their fields that hold strings: alone, in lists, as keys or values of maps, or wrapped. */
export function stringFields(registry: FileRegistry): readonly DescField[] {
  return configMessages(registry)
    .filter(({ typeName }) => !VOCABULARIES.test(typeName))
    .flatMap(({ fields }) => fields.filter(holdsString));
}

function isOutside({ typeName, file }: DescMessage): boolean {
  return INTERNAL_FILES.test(`${file.name}/`) || OUTSIDE.some((pattern) => pattern.test(typeName));
}

export function holdsString(field: DescField): boolean {
  if (field.fieldKind === 'message') return field.message.typeName === 'google.protobuf.StringValue';
  if (field.fieldKind === 'map' && field.mapKey === ScalarType.STRING) return true;
  return 'scalar' in field && field.scalar === ScalarType.STRING;
}
