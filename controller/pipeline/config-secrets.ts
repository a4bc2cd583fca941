import { X509Certificate } from 'node:crypto';
import type { Collection, Graph } from '../../collection/index.ts';
import { type KubernetesSecret, TELL_SECRET } from '../../envoy-config/index.ts';
import { ingestCertificate } from '../../ingress-controller/index.ts';
import type { Secret } from '../../kube/index.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { translateAuthorities, translateCertificate } from '../../xds-server/translate/certificates.ts';
import type { ConfigVerdict } from './envoy-configs-in-force.ts';
import { type Inputs, inputKey, NOW } from './inputs.ts';

/** What a Secret is worth to configs that use it for something. */
export type ConfigSecret = { readonly resource: Resource } | { readonly problem: string };

export interface ConfigSecretStages {
  /** Secrets that configs name, by `namespace/name`, whether or not they are there. */
  readonly references: Collection<readonly string[]>;
  /** By what Envoy knows them by: what one holds may be used for more than one thing. */
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
  const uses = graph.group('uses of secrets by configs', verdicts, ({ inForce }) =>
    (inForce?.secrets ?? []).map(({ namespace, name, kind, resource }): [string, SecretUse] => [
      useKey({ kind, resource }),
      { namespace, name, kind, resource },
    ]),
  );
  const secrets = graph.derive('secrets of configs', uses, ([use], _key, read) => {
    const secret = use && read(inputs.secrets, inputKey(use));
    return use && secret ? judgeSecret(secret, use, read(inputs.clock, NOW) ?? new Date(0)) : { problem: 'is not there' };
  });
  return { references, secrets };
}

type SecretUse = Pick<KubernetesSecret, 'namespace' | 'name' | 'kind' | 'resource'>;

/** Where in {@link ConfigSecretStages.secrets} a use of a Secret stands. */
export function useKey({ kind, resource }: Pick<SecretUse, 'kind' | 'resource'>): string {
  return `${kind} ${resource}`;
}

/** Nothing of it goes further but what it is used for. */
function judgeSecret(secret: Secret, { kind, resource }: SecretUse, asOf: Date): ConfigSecret {
  const { data } = secret;
  const hasCertificate = data['tls.crt'] !== undefined || data['tls.key'] !== undefined;
  const authorities = data['ca.crt'];
  if (kind === 'tlsCertificate' && hasCertificate) {
    const state = ingestCertificate(secret, asOf);
    if (state.state === 'usable') return { resource: translateCertificate(state.certificate) };
    return { problem: state.diagnostics.map(({ message }) => message).join('; ') };
  }
  if (kind === 'validationContext' && authorities !== undefined) {
    const pems = readAuthorities(authorities.reveal());
    if (pems === undefined) return { problem: 'ca.crt has no certificate in PEM that can be read' };
    return { resource: translateAuthorities(resource, pems) };
  }
  if (!hasCertificate && authorities === undefined) return { problem: 'has neither tls.crt with tls.key nor ca.crt' };
  return {
    problem: `holds ${TELL_SECRET[hasCertificate ? 'tlsCertificate' : 'validationContext']}; here it has to hold ${TELL_SECRET[kind]}`,
  };
}

/** Written anew, so that nothing else that stood there goes further. */
function readAuthorities(text: string): string | undefined {
  try {
    return Array.from(text.matchAll(PEM_CERTIFICATE), ([pem]) => new X509Certificate(pem).toString()).join('') || undefined;
  } catch {
    return undefined;
  }
}
