export { logSender, type OtlpSender, type SenderOptions, spanSender } from './otlp-sender.ts';
export { logOf, type OtlpResource, resourceOf, spanOf } from './records.ts';
export { type ExportState, RingExport } from './ring-export.ts';
