import type { Diagnostic, DiagnosticCodeEntry, FieldPath, ObjectRef } from '../model/index.ts';

/**
 * Every diagnostic that comes from CiliumEnvoyConfigs, with what it means for traffic. docs/diagnostics.md repeats this table for users, and a
 * test holds the two together.
 */
export const DIAGNOSTIC_CODES = {
  InvalidEnvoyConfig: {
    severity: 'error',
    meaning: 'A field is wrong, or Envoy has no such message or field. None of the object is served; what it said when it was right stays.',
  },
  NotPermitted: {
    severity: 'error',
    meaning:
      'A resource uses what reaches beyond what policies judge, and the setting envoyConfig.allow does not name it. None of the object is served; what it said when it was right stays.',
  },
  NotOfNamespace: {
    severity: 'error',
    meaning: 'The object names what is of another namespace. None of it is served; what it said when it was right stays.',
  },
  ReferenceNotFound: {
    severity: 'error',
    meaning: 'A resource names another that the object does not have. None of the object is served; what it said when it was right stays.',
  },
  RefusedInDryRun: {
    severity: 'error',
    meaning:
      'An Envoy that tried the object before it is served does not take a resource; the words are its own. None of the object is served; what it said when it was right stays.',
  },
  ConfigSecretUnusable: {
    severity: 'error',
    meaning:
      'A resource names a Secret that is not there, or does not hold what is used of it: a certificate with its key (tls.crt, tls.key), or authorities (ca.crt). None of the object is served.',
  },
  NameTaken: {
    severity: 'error',
    meaning: 'An older object has, or uses, a resource of the same name that is not the same. None of this one is served.',
  },
  ListenerWithoutAddress: {
    severity: 'warning',
    meaning:
      'A listener has no address, and no Service is led to it: services names none, or policies are not enforced or Services not translated. It is left out.',
  },
  ServiceNotLed: {
    severity: 'warning',
    meaning:
      'A Service of services, or a port of it, is not there or not of TCP, or its listener has an address. Nothing is led to the listener by it.',
  },
  ServiceTaken: {
    severity: 'warning',
    meaning:
      'A listener of an older object has the port of the Service; where this object is the Service itself, one of any config. Nothing is led to this one by it.',
  },
  OutsideNotLed: {
    severity: 'info',
    meaning:
      'externalTrafficPolicy: Local of a Service, or its loadBalancerSourceRanges, are what kube-proxy holds to. What is asked from outside of the nodes is left to it, in the second case by addresses of load balancers alone; policies judge it, the listener does not see it.',
  },
  NodeNotSelected: {
    severity: 'info',
    meaning: 'The nodeSelector of the object is not met by the labels of the node. It is not served there.',
  },
  NodeUnknown: {
    severity: 'info',
    meaning: 'The object has a nodeSelector, and nobody tells of the node and its labels. It is served there.',
  },
  LastGoodEnvoyConfig: {
    severity: 'warning',
    meaning: 'The object is wrong, or an Envoy refused it, and what it said when it was right is served.',
  },
  AnnotationIgnored: {
    severity: 'warning',
    meaning: 'An annotation has another value than "true" or "false", or asks for what there is not. It counts as absent.',
  },
  UnknownFilterName: {
    severity: 'warning',
    meaning:
      'What routes have for an HTTP filter (typedPerFilterConfig) has a name that no filter has of the listeners with these routes. Envoy takes no notice of it.',
  },
  UnaskedTls: {
    severity: 'warning',
    meaning:
      'Where rules on requests decide of what a client sends to a backend, what a cluster sends there by TLS is refused, since a field may make something else of requests after rules were asked. All else is sent.',
  },
  BackendServiceNotFound: {
    severity: 'warning',
    meaning: 'A Service of backendServices, or a port of it, is not there. Clusters that use it have no endpoints of it.',
  },
} as const satisfies Record<string, DiagnosticCodeEntry>;

export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES;

/** Makes one finding; its severity is that of its code. */
export function diagnose(object: ObjectRef, path: FieldPath, code: DiagnosticCode, message: string): Diagnostic {
  return { severity: DIAGNOSTIC_CODES[code].severity, code, message, object, path };
}
