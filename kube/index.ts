export { DIAGNOSTIC_CODES, type DiagnosticCode } from './codes.ts';
export * from './folder/index.ts';
export * from './object.ts';
export * from './source.ts';
export { type Validation, validateObject } from './validate.ts';
export type { Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls } from './views/ingress.ts';
export type { Secret } from './views/secret.ts';
export type { EndpointSlice, Service, ServicePort } from './views/service.ts';
