import { isMessage, type Message } from '@bufbuild/protobuf';
import { type Secret, SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { type Path, stepsOf } from './messages/path.ts';

/** What a secret holds. Envoy takes one that holds something else for an empty one: as authorities, that trusts everybody. */
export type SecretKind = NonNullable<Secret['type']['case']>;

export const TELL_SECRET: Readonly<Record<SecretKind, string>> = {
  tlsCertificate: 'a certificate with its key',
  validationContext: 'authorities (a validation context)',
  sessionTicketKeys: 'keys of session tickets',
  genericSecret: 'a generic secret',
};

const KINDS: ReadonlyMap<string | number, SecretKind> = new Map([
  ['tlsCertificateSdsSecretConfigs', 'tlsCertificate'],
  ['validationContextSdsSecretConfig', 'validationContext'],
  ['sessionTicketKeysSdsSecretConfig', 'sessionTicketKeys'],
]);

/**
 * What a secret is used as that is named at a place.
 * @param path of the name, with the keys of JSON
 */
export function wantedSecretKind(path: Path): SecretKind {
  const holder = stepsOf(path).findLast((step, index, { length }) => typeof step === 'string' && index < length - 1);
  return KINDS.get(holder ?? '') ?? 'genericSecret';
}

/**
 * By which name Envoy knows what a Secret of Kubernetes holds. One may hold a certificate and its authorities, which are two of Envoy's secrets;
 * nobody in a namespace can define the second's name.
 * @param secret `namespace/name`
 */
export function secretResourceName(secret: string, kind: SecretKind): string {
  return kind === 'validationContext' ? `authorities:${secret}` : secret;
}

/** What a resource holds, if it is a secret that holds anything. */
export function secretKindOf(message: Message): SecretKind | undefined {
  return isMessage(message, SecretSchema) ? message.type.case : undefined;
}
