export type FolderErrorCode =
  /** A folder or file that was asked for does not exist. */
  | 'NotFound'
  /** It exists but cannot be read. */
  | 'Unreadable';

/** Why reading could not begin. What goes wrong later is a diagnostic. */
export class FolderError extends Error {
  override readonly name = 'FolderError';
  readonly code: FolderErrorCode;
  readonly path: string;

  constructor(code: FolderErrorCode, path: string, cause?: unknown) {
    super(code === 'NotFound' ? `${path} does not exist` : `${path} cannot be read: ${reasonOf(cause)}`, { cause });
    this.code = code;
    this.path = path;
  }
}

/** The system's error code, such as `EACCES`; undefined where it is no error of a system call. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EIO: 'input/output error',
  ELOOP: 'its symbolic links go in a circle',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is not a folder',
};

/** Why a system call failed, in words. */
export function reasonOf(error: unknown): string {
  const code = systemCode(error);
  if (code === undefined) return String(error);
  return REASONS[code] ?? code;
}

/** Whether the error says that there is nothing at the path. */
export function isAbsent(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
