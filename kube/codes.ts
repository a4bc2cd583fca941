import type { Diagnostic, DiagnosticCodeEntry, FieldPath } from '../model/index.ts';

/**
 * Every diagnostic that comes from reading objects, with what it means for what is served. docs/diagnostics.md repeats
 * this table for users, and a test holds the two together.
 */
export const DIAGNOSTIC_CODES = {
  // Objects
  InvalidObject: {
    severity: 'error',
    meaning: 'A field of an object is missing, of the wrong type or out of range. None of the object is read; see LastGoodKept.',
  },
  NotAnObject: {
    severity: 'error',
    meaning: 'A document, or an item of a list, is no Kubernetes object: no mapping, or without apiVersion, kind or a usable name.',
  },
  UnsupportedVersion: {
    severity: 'warning',
    meaning: 'An object is of an old API version that Kubernetes no longer serves. It is not read.',
  },
  UseEndpointSlice: { severity: 'info', meaning: 'Endpoints objects are not read; the addresses of a Service come from EndpointSlices.' },
  LastGoodKept: {
    severity: 'warning',
    meaning: 'The present text of an object, or of a document that may hold it, is wrong. The last content that was right is served.',
  },
  DuplicateObject: { severity: 'warning', meaning: 'An object stands in several places. The first by file name, then position, is read.' },
  // Files
  InvalidYaml: {
    severity: 'error',
    meaning: 'A document is not YAML or JSON, or has a key twice. The other documents of the file are read.',
  },
  InvalidEncoding: { severity: 'error', meaning: 'A document is not UTF-8 text. The other documents of the file are read.' },
  TooLarge: {
    severity: 'error',
    meaning: 'A file or document is larger, nested deeper or repeats more through aliases than allowed, or a file has too many documents.',
  },
  FileUnreadable: { severity: 'error', meaning: 'A file or folder cannot be read. The objects that it held before stay.' },
  FolderMissing: { severity: 'error', meaning: 'The folder is gone. All that was read from it is served until it comes back.' },
  NotWatched: {
    severity: 'warning',
    meaning: 'The system watches no more folders for this process. Changes are found by looking at the files every second instead.',
  },
  // The API server
  KindUnreadable: {
    severity: 'error',
    meaning: 'The API server does not let Sluice read a kind of objects. What was read of it before is served; it is tried again.',
  },
  SecretUnreadable: {
    severity: 'error',
    meaning: 'The API server does not give a Secret that is needed. If it was read before, that is served; it is tried again.',
  },
  WriteRefused: {
    severity: 'error',
    meaning: 'The API server does not let Sluice write an object or its status. What is served is not affected; it is tried again.',
  },
} as const satisfies Record<string, DiagnosticCodeEntry>;

export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES;

/** A diagnostic before it is known where the object stands. */
export type Finding = Pick<Diagnostic, 'severity' | 'code' | 'message' | 'path'> & { readonly code: DiagnosticCode };

/** Makes one finding; its severity is that of its code. */
export function finding(code: DiagnosticCode, message: string, path: FieldPath = []): Finding {
  return { severity: DIAGNOSTIC_CODES[code].severity, code, message, path };
}

/** Of an object whose content before is served. */
export const lastGoodKept = (): Finding => finding('LastGoodKept', 'keeps its last content that was right until this is corrected');
