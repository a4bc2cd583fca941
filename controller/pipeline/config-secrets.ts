import { X509Certificate } from 'node:crypto';
import type { Collection, Graph } from '../../collection/index.ts';
import type { SecretKind } from '../../envoy-config/index.ts';
import { ingestCertificate } from '../../ingress-controller/index.ts';
import type { Secret } from '../../kube/index.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { translateAuthorities, translateCertificate } from '../../xds-server/translate/certificates.ts';
import type { ConfigVerdict } from './envoy-configs-in-force.ts';
import { type Inputs, inputKey, NOW } from './inputs.ts';

/** What a Secret is worth to configs. */
export type ConfigSecret = { readonly resource: Resource; readonly kind: SecretKind } | { readonly problem: string };

/** Secrets that configs name, by `namespace/name`, whether or not they are there. */
export interface ConfigSecretStages {
  readonly references: Collection<readonly string[]>;
  readonly secrets: Collection<ConfigSecret>;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

export function buildConfigSecrets(
  graph: Graph,
  inputs: Pick<Inputs, 'secrets' | 'clock'>,
  verdicts: Collection<ConfigVerdict>,
): ConfigSecretStages {
  const references = graph.group('secrets that configs name', verdicts, ({ inForce }) =>
    (inForce?.secrets ?? []).map((secret): [string, string] => [inputKey(secret), inputKey(secret)]),
  );
  const secrets = graph.derive('secrets of configs', references, (_users, name, read) => {
    const secret = read(inputs.secrets, name);
    return secret ? judgeSecret(secret, read(inputs.clock, NOW) ?? new Date(0)) : { problem: 'is not there' };
  });
  return { references, secrets };
}

/** A certificate and its key where it has them, else the authorities that it has. Nothing else of it goes further. */
function judgeSecret(secret: Secret, asOf: Date): ConfigSecret {
  const { data, metadata } = secret;
  if (data['tls.crt'] || data['tls.key']) {
    const state = ingestCertificate(secret, asOf);
    if (state.state === 'usable') return { resource: translateCertificate(state.certificate), kind: 'tlsCertificate' };
    return { problem: state.diagnostics.map(({ message }) => message).join('; ') };
  }
  const authorities = data['ca.crt'];
  if (authorities === undefined) return { problem: 'has neither tls.crt with tls.key nor ca.crt' };
  const pems = readAuthorities(authorities.reveal());
  return pems === undefined
    ? { problem: 'ca.crt has no certificate in PEM that can be read' }
    : { resource: translateAuthorities(inputKey(metadata), pems), kind: 'validationContext' };
}

/** Written anew, so that nothing else that stood there goes further. */
function readAuthorities(text: string): string | undefined {
  try {
    return Array.from(text.matchAll(PEM_CERTIFICATE), ([pem]) => new X509Certificate(pem).toString()).join('') || undefined;
  } catch {
    return undefined;
  }
}
