import { ConfigSchema } from '@sluice/envoy-protos/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.js';
import type { HttpFilterSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { anyOf } from '../../xds-server/translate/encode.ts';
import type { Init } from '../../xds-server/translate/messages.ts';
import { REQUEST_ID_STATE } from '../http/index.ts';
import { REQUEST_ID } from './names.ts';

/** A request that passes goes on without the id that Envoy gave it, so what is written at its end has to find it elsewhere. */
export const KEEP_REQUEST_ID: Init<typeof HttpFilterSchema> = {
  name: 'sluice.request_id',
  configType: {
    case: 'typedConfig',
    value: anyOf(ConfigSchema, {
      onRequestHeaders: [
        {
          key: { case: 'objectKey', value: REQUEST_ID_STATE },
          factoryKey: 'envoy.string',
          value: {
            case: 'formatString',
            value: { format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: `%REQ(${REQUEST_ID})%` } } } },
          },
        },
      ],
    }),
  },
};
