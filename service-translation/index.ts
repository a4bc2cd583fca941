export type { ClientNode } from './choose-endpoints.ts';
export { DIAGNOSTIC_CODES, type DiagnosticCode } from './codes.ts';
export { type ServiceTranslation, type TranslationNode, type TranslationOptions, translateService } from './translate-service.ts';
export { translateServices } from './translate-services.ts';
