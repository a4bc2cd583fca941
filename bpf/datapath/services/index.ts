export { areServicesAttached, findRootCgroup } from './cgroup.ts';
export { ServiceDatapathError, type ServiceDatapathErrorCode } from './error.ts';
export {
  type ListedBackend,
  type ListedService,
  listServiceAddresses,
  listServices,
  readServiceCounts,
  type ServiceCounts,
} from './list-services.ts';
export { translationProblem } from './plan.ts';
export { cleanUpServices, type ServiceChanges, ServiceDatapath, type ServiceDatapathOptions } from './service-datapath.ts';
export type { WriteCount } from './write-state.ts';
