import { after, before, describe } from 'node:test';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { needs } from '../../testkit/capabilities.ts';
import { describeObjectSource, type ObjectPlace } from '../../testkit/object-source-contract.ts';
import { ApiServerSource } from './api-server-source.ts';
import { openApiClient } from './open-api-client.ts';
import { WATCHED_RESOURCES } from './resources.ts';

/** The API server makes a Service for itself, which no place of the contract has. */
const RESOURCES = WATCHED_RESOURCES.map((resource) =>
  resource.kind === 'Service' || resource.kind === 'EndpointSlice' ? { ...resource, fieldSelector: 'metadata.name!=kubernetes' } : resource,
);

describe('with a real API server', needs('cluster'), () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await ControlPlane.start();
  });
  after(() => plane[Symbol.asyncDispose]());

  describeObjectSource('ApiServerSource', async (): Promise<ObjectPlace> => {
    await empty(plane);
    const client = openApiClient({ kubeconfig: plane.kubeconfig });
    return {
      source: new ApiServerSource(client, { resources: RESOURCES }),
      put: (manifest) => plane.apply([manifest]),
      remove: async ({ kind, name }) => {
        await plane.request(`/api/v1/namespaces/default/${kind.toLowerCase()}s/${name}`, { method: 'DELETE' });
      },
      [Symbol.asyncDispose]: () => client.close(),
    };
  });
});

async function empty(plane: ControlPlane): Promise<void> {
  await plane.kubectl('delete', 'services,secrets', '-n', 'default', '--field-selector', 'metadata.name!=kubernetes', '--ignore-not-found');
}
