import { z } from 'zod';

/**
 * Makes this process a program that its parent asks ({@link file://./asked-program.ts}): `{ id, request }` is answered by `{ id, value }`,
 * or by `{ id, error }` where `answer` throws. It ends when its parent does.
 */
export function answerParent<Request>(request: z.ZodType<Request>, answer: (request: Request) => unknown): void {
  const messageView = z.object({ id: z.int(), request });
  process.on('message', async (message) => {
    const { id, request } = messageView.parse(message);
    try {
      process.send?.({ id, value: await answer(request) });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? error.stack : String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
}

/** Tells the parent without being asked. */
export function tellParent(told: unknown): void {
  process.send?.({ told });
}
