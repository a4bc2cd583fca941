import { type ApiClient, ApiError, type ApiRequest, type Leadership } from '../../kube/index.ts';

/**
 * A client that writes only while leadership is held, and whose requests end with it: a process that was stopped for a while
 * and goes on as if it still led changes nothing.
 */
export function leadingClient(client: ApiClient, leadership: Leadership): ApiClient {
  const led = (request: ApiRequest): ApiRequest => {
    if ((request.method ?? 'GET') !== 'GET' && !leadership.isHeld()) throw new ApiError('forbidden', 'another replica leads');
    const { signal } = request;
    return { ...request, signal: signal ? AbortSignal.any([signal, leadership.signal]) : leadership.signal };
  };
  return {
    request: async (request) => client.request(led(request)),
    stream: (request) => client.stream(led(request)),
    close: () => client.close(),
  };
}
