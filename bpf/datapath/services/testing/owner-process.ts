// An agent that does nothing but change Services, without end: argument 1 is the cgroup.

import { ServiceDatapath } from '../index.ts';
import { changingServices } from './changing-services.ts';
import { PINS } from './service-world.ts';

const [cgroup = ''] = process.argv.slice(2);
const datapath = await ServiceDatapath.open({ pinFolder: PINS });
await datapath.reconcile(changingServices(0));
datapath.attach(cgroup);
process.send?.('ready');
for (let turn = 1; ; turn += 1) await datapath.apply({ set: changingServices(turn), removed: [`fleeting-${(turn + 2) % 4}`] });
