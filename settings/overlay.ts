import { type SettingsFinding, settingsFindings } from './load.ts';
import { brokenRules } from './rules.ts';
import { type Settings, settingsSchema } from './settings.ts';

/** Either settings or what is wrong, never both. */
export type OverlayResult = { readonly settings: Settings } | { readonly findings: readonly SettingsFinding[] };

/**
 * Lays settings as an object has them over others: what it says counts, what it leaves out stays. A section that is a choice (session
 * affinity, retries, outlier detection), a list and a set of labels are taken as a whole.
 * @param said plain data without nulls
 */
export function overlaySettings(base: Settings, said: unknown): OverlayResult {
  const parsed = settingsSchema.safeParse(said);
  if (!parsed.success) return { findings: settingsFindings(parsed.error) };
  const own = parsed.data;
  const http = sectionOf(said, 'http');
  const ingress = sectionOf(said, 'ingress');
  const tracing = sectionOf(said, 'tracing');
  const flows = sectionOf(said, 'flows');
  const flowExport = sectionOf(flows, 'export');
  const settings: Settings = {
    http: overlay(base.http, own.http, http),
    ingress: {
      ...overlay(base.ingress, own.ingress, ingress),
      hostNetwork: overlay(base.ingress.hostNetwork, own.ingress.hostNetwork, sectionOf(ingress, 'hostNetwork')),
      service: overlay(base.ingress.service, own.ingress.service, sectionOf(ingress, 'service')),
    },
    upstream: overlay(base.upstream, own.upstream, sectionOf(said, 'upstream')),
    envoy: overlay(base.envoy, own.envoy, sectionOf(said, 'envoy')),
    policy: overlay(base.policy, own.policy, sectionOf(said, 'policy')),
    envoyConfig: overlay(base.envoyConfig, own.envoyConfig, sectionOf(said, 'envoyConfig')),
    flows: {
      ...overlay(base.flows, own.flows, flows),
      export: {
        ...overlay(base.flows.export, own.flows.export, flowExport),
        collector: overlay(base.flows.export.collector, own.flows.export.collector, sectionOf(flowExport, 'collector')),
      },
    },
    metrics: overlay(base.metrics, own.metrics, sectionOf(said, 'metrics')),
    tracing: {
      ...overlay(base.tracing, own.tracing, tracing),
      collector: overlay(base.tracing.collector, own.tracing.collector, sectionOf(tracing, 'collector')),
    },
  };
  const findings = brokenRules(settings);
  return findings.length > 0 ? { findings } : { settings };
}

function sectionOf(value: unknown, name: string): object {
  const section: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof section === 'object' && section !== null ? section : {};
}

function overlay<T extends object>(base: T, own: T, said: object): T {
  return { ...base, ...Object.fromEntries(Object.entries(own).filter(([name]) => Object.hasOwn(said, name))) };
}
