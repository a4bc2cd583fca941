import { Backend } from '../../testkit/backend.ts';

// A backend as the process of a pod.

const { POD_NAME: name = '', PORT: port = '' } = process.env;
await Backend.start({ name, address: '0.0.0.0', port: Number(port) });
