/** A time as `metav1.MicroTime` is written: `2026-01-02T03:04:05.678000Z`. */
export function formatMicroTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}
