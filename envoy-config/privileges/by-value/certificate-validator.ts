import type { CertificateValidationContext } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { below, type Path } from '../../messages/path.ts';
import type { PrivilegedUse } from '../privileged-use.ts';
import { ofValue } from './of-value.ts';

const WHAT = 'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.custom_validator_config';
const HARMLESS = new Set(['envoy.tls.cert_validator.default', 'envoy.tls.cert_validator.spiffe']);

/** Validators are looked up by name, whatever the type of their config. */
export function usesOfValidation({ customValidatorConfig: validator }: CertificateValidationContext, path: Path): PrivilegedUse[] {
  if (!validator || HARMLESS.has(validator.name)) return [];
  return [ofValue(WHAT, below(path, 'customValidatorConfig'))];
}
