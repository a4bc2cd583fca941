import { existsSync } from 'node:fs';
import { toBinary } from '@bufbuild/protobuf';
import { BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { buildBootstrap } from '../agent/index.ts';
import type { ConfigTrying } from '../controller/controller.ts';
import { objectionOfEnvoy } from '../controller/dry-run/trying-envoy.ts';
import type { Settings } from '../settings/index.ts';
import { ENVOY_CLUSTER } from './child-envoy.ts';

/** Nothing is connected to while a bootstrap is looked at. */
const NOWHERE = '/nowhere.sock';

/** How configs are tried on this machine; undefined where they are not to be, or there is no such Envoy. */
export function configTrying({ envoy, envoyConfig }: Settings, binary: string | undefined): Omit<ConfigTrying, 'onUntried'> | undefined {
  if (!envoyConfig.dryRun || !binary || !existsSync(binary)) return undefined;
  const places = { xdsSocket: NOWHERE, adminSocket: NOWHERE };
  const bootstrap = toBinary(BootstrapSchema, buildBootstrap({ nodeId: 'trial', cluster: ENVOY_CLUSTER, ...places, settings: envoy }));
  return { bootstrap, objectionTo: async (tried, signal) => await objectionOfEnvoy({ binary }, tried, signal) };
}
