import { z } from 'zod';
import { PodDevices } from '../../agent/pods/index.ts';
import { endpointView } from './endpoint-view.ts';

// Follows the devices of the network that it was started in, and tells its parent of them.

const requestView = z.object({ id: z.int(), request: z.object({ endpoints: z.array(endpointView), nodeAddresses: z.array(z.string()) }) });

const devices = new PodDevices({
  onChange: (state) => process.send?.({ told: state }),
  onFailure: (error) => process.send?.({ told: { failure: String(error) } }),
});

process.on('message', (message) => {
  const { id, request } = requestView.parse(message);
  devices.set(request.endpoints, request.nodeAddresses);
  process.send?.({ id });
});
process.on('disconnect', () => process.exit());
