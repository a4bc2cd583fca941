import type { DiagnosticCodeEntry } from '../model/index.ts';

/**
 * Every diagnostic that this layer can give, with what it means for traffic. docs/diagnostics.md repeats this table for
 * users, and a test holds the two together.
 */
export const DIAGNOSTIC_CODES = {
  // Which Ingresses are ours
  SeveralDefaultClasses: {
    severity: 'warning',
    meaning: 'More than one IngressClass is marked as default. The newest counts, as in the API server, then the first by name.',
  },
  // Rules
  EmptyIngress: { severity: 'error', meaning: 'The Ingress has neither rules nor a default backend, so it serves nothing.' },
  EmptyRule: {
    severity: 'warning',
    meaning: 'A rule has no paths and the Ingress has no default backend that could take its host. The rule is left out.',
  },
  InvalidHost: { severity: 'error', meaning: 'A host is no DNS name in lower case (or `*.` and one). The rule or TLS host is left out.' },
  InvalidPath: {
    severity: 'error',
    meaning: 'A path breaks the rules of the Ingress specification. Where requests can match it they are answered with 500.',
  },
  InvalidRegex: {
    severity: 'error',
    meaning: 'An ImplementationSpecific path is no regular expression that RE2 takes, or a too large one. The path is left out.',
  },
  RegexMatchesOnePath: {
    severity: 'info',
    meaning: 'An ImplementationSpecific path has no special characters, so it matches one path only. `Prefix` was probably meant.',
  },
  Conflict: {
    severity: 'error',
    meaning: 'An older Ingress, or an earlier path of this one, has the same host, path and path type. The older one is served.',
  },
  DefaultBackendConflict: {
    severity: 'warning',
    meaning: "An older Ingress has a default backend too. This one serves only this Ingress's own hosts.",
  },
  // Backends
  InvalidBackend: { severity: 'error', meaning: 'A backend is not exactly one Service with one port. Requests are answered with 500.' },
  ResourceBackend: { severity: 'error', meaning: 'Backends that are resources are not supported. Requests are answered with 500.' },
  ServiceNotFound: { severity: 'error', meaning: 'The Service of a backend does not exist. Requests are answered with 500.' },
  ServicePortNotFound: { severity: 'error', meaning: 'The Service has no such port. Requests are answered with 500.' },
  UnsupportedProtocol: { severity: 'error', meaning: 'The port of the Service is UDP or SCTP. Requests are answered with 500.' },
  InvalidExternalName: {
    severity: 'error',
    meaning: 'The Service of type ExternalName names an address or this machine, not a DNS name. Requests are answered with 500.',
  },
  UnknownAppProtocol: { severity: 'info', meaning: 'The appProtocol of a Service port is not known here. HTTP/1.1 is spoken.' },
  InvalidEndpoint: { severity: 'warning', meaning: 'An address of an EndpointSlice cannot be used. That endpoint is left out.' },
  PortNameMismatch: {
    severity: 'warning',
    meaning: 'A Service port has no name and its EndpointSlices have only ports with names, so it has no endpoints. Requests get 503.',
  },
  // TLS
  SecretNotNamed: {
    severity: 'error',
    meaning: 'A TLS entry names no Secret and the settings have no default one. Its hosts are not served over TLS by this Ingress.',
  },
  SecretNotFound: {
    severity: 'error',
    meaning: 'The Secret of a TLS entry does not exist. Its hosts are not served over TLS by this Ingress.',
  },
  CertificateUnusable: {
    severity: 'error',
    meaning: 'The Secret of a TLS entry holds no usable certificate. Its hosts are not served over TLS by this Ingress.',
  },
  CertificateHostMismatch: {
    severity: 'warning',
    meaning: 'The certificate does not cover a TLS host. It is served; clients will refuse it.',
  },
  TlsConflict: {
    severity: 'error',
    meaning: 'An older Ingress decides with another Secret, or by passthrough, how TLS of this host is done. The older one counts.',
  },
  RedirectWithoutCertificate: {
    severity: 'warning',
    meaning: 'force-https redirects a host to HTTPS that has no usable certificate. It stays unreachable rather than in plain text.',
  },
  ServedInPlaintext: {
    severity: 'warning',
    meaning: 'A TLS host without a usable certificate is served over plain HTTP, because nothing but the settings asks for HTTPS.',
  },
  InvalidPassthrough: {
    severity: 'error',
    meaning: 'With tls-passthrough every rule needs a host and the single path `/`, and no default backend is served.',
  },
  InvalidCertificate: { severity: 'error', meaning: 'A Secret holds no certificate chain and key that Envoy can serve.' },
  SecretTypeNotTls: {
    severity: 'warning',
    meaning: 'A Secret with a certificate is not of type kubernetes.io/tls. It is used all the same.',
  },
  CertificateExpired: { severity: 'warning', meaning: 'A certificate has expired. It is served; clients will refuse it.' },
  CertificateNotYetValid: { severity: 'warning', meaning: 'A certificate is not valid yet. It is served; clients will refuse it.' },
  // Annotations
  InvalidAnnotation: { severity: 'warning', meaning: 'The value of an annotation is wrong. The default is used.' },
  UnknownAnnotation: { severity: 'warning', meaning: 'An annotation under ingress.cilium.io is not known. It does nothing.' },
  AnnotationWithoutEffect: {
    severity: 'info',
    meaning: 'Annotations that do nothing where this Ingress is served, or that Cilium has dropped, do nothing here.',
  },
  ForeignAnnotation: { severity: 'info', meaning: 'Annotations of another Ingress controller do nothing here.' },
  RestrictionNotEnforced: {
    severity: 'warning',
    meaning: 'An annotation of another Ingress controller that restricts access is not enforced: requests are served without it.',
  },
  ForceHttpsWithoutTls: { severity: 'warning', meaning: 'force-https does nothing for an Ingress without TLS hosts.' },
  HostPortNeedsDedicated: { severity: 'warning', meaning: 'host-listener-port does nothing with loadbalancer-mode shared.' },
  InvalidHostPort: {
    severity: 'error',
    meaning: 'host-listener-port is no port, or one that this process uses itself. The Ingress is not served.',
  },
  // Load balancers
  AnnotationNeedsDedicated: {
    severity: 'warning',
    meaning: 'An annotation about the Service of an Ingress does nothing with loadbalancer-mode shared.',
  },
  NodePortOutOfRange: {
    severity: 'warning',
    meaning: 'A node port is none of those that API servers give by default. If this one refuses it, the Service is not made.',
  },
  LoadBalancerClassFixed: {
    severity: 'warning',
    meaning: 'The class of a load balancer cannot change. The Service keeps the one that it has until it is deleted.',
  },
  ServiceNameTaken: {
    severity: 'error',
    meaning: 'A Service or EndpointSlice that an Ingress needs exists and is not ours. It is left alone; the Ingress has no address.',
  },
  ForeignEndpoints: {
    severity: 'warning',
    meaning: 'An EndpointSlice of somebody else gives the Service of an Ingress endpoints, so that part of the requests go there.',
  },
  PortsExhausted: {
    severity: 'error',
    meaning: 'Ports 20002 to 29999 of the nodes are all taken by other Ingresses. The Ingress is not served.',
  },
  NoNodes: { severity: 'error', meaning: 'No agent is ready on any node that is to serve, so nothing serves.' },
} as const satisfies Record<string, DiagnosticCodeEntry>;

export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES;
