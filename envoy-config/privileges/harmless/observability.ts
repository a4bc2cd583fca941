import type { HarmlessGroup } from './group.ts';

/** Access logs and traces. */
export const HARMLESS_OBSERVABILITY: readonly HarmlessGroup[] = [
  {
    why: 'writes to Envoy’s own output, which is the node’s log',
    messages: ['envoy.extensions.access_loggers.stream.v3.StderrAccessLog', 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog'],
  },
  {
    why: 'sends to a server by one of the config’s clusters, so the kernel judges the connection',
    messages: [
      'envoy.config.trace.v3.DatadogConfig',
      'envoy.config.trace.v3.OpenTelemetryConfig',
      'envoy.config.trace.v3.SkyWalkingConfig',
      'envoy.config.trace.v3.ZipkinConfig',
      'envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig',
      'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
      'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig',
      'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig',
      'envoy.extensions.tracers.fluentd.v3.FluentdConfig',
      'envoy.extensions.tracers.opentelemetry.samplers.v3.DynatraceSamplerConfig',
    ],
  },
  {
    why: 'says what is logged or traced, and with which attributes, from what Envoy knows of the request',
    messages: [
      'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
      'envoy.extensions.access_loggers.filters.process_ratelimit.v3.ProcessRateLimitFilter',
      'envoy.extensions.formatter.cel.v3.Cel',
      'envoy.extensions.formatter.generic_secret.v3.GenericSecret',
      'envoy.extensions.formatter.metadata.v3.Metadata',
      'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery',
      'envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig',
      'envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig',
      'envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig',
      'envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig',
      'envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig',
    ],
  },
];
