import { create } from '@bufbuild/protobuf';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { Certificate } from '../../model/index.ts';
import type { Resource } from '../serve/resource.ts';
import { encodeResource } from './encode.ts';

/** The one place where a private key leaves its wrapping: on its way to Envoy. */
export function translateCertificate(certificate: Certificate): Resource {
  const message = create(SecretSchema, {
    name: certificate.name,
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: { specifier: { case: 'inlineString', value: certificate.chain } },
        privateKey: { specifier: { case: 'inlineString', value: certificate.privateKey.reveal() } },
      },
    },
  });
  return encodeResource(SecretSchema, certificate.name, message);
}

/**
 * Certificates by which those of the other side are checked.
 * @param authorities PEM
 */
export function translateAuthorities(name: string, authorities: string): Resource {
  const message = create(SecretSchema, {
    name,
    type: { case: 'validationContext', value: { trustedCa: { specifier: { case: 'inlineString', value: authorities } } } },
  });
  return encodeResource(SecretSchema, name, message);
}
