export { type Claim, frontendKey } from './claims.ts';
export { DIAGNOSTIC_CODES, type DiagnosticCode } from './codes.ts';
export { type DerivedTranslations, deriveTranslations, ONLY, type TranslationInputs } from './derive-translations.ts';
export { fieldsThatLeave, type LeavingField, whyLeftOutside } from './left-outside.ts';
export { type ServiceTranslation, type TranslationNode, translateService } from './translate-service.ts';
export { translateServices } from './translate-services.ts';
