import { z } from 'zod';
import { PodDevices } from '../../agent/pods/index.ts';
import { answerParent, tellParent } from '../../testkit/answer-parent.ts';
import { endpointView } from './endpoint-view.ts';

// Follows the devices of the network that it was started in, and tells its parent of them.

const requestView = z.object({ endpoints: z.array(endpointView), nodeAddresses: z.array(z.string()) });

const devices = new PodDevices({
  onChange: tellParent,
  onFailure: (error) => tellParent({ failure: String(error) }),
});

answerParent(requestView, ({ endpoints, nodeAddresses }) => devices.set(endpoints, nodeAddresses));
