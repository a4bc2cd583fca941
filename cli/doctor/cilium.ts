import { z } from 'zod';
import { type ApiClient, ifFound } from '../../kube/index.ts';
import { someOf } from '../text/some-of.ts';
import { type CheckResult, failed, ok, warning } from './check.ts';

const CONFIG = '/api/v1/namespaces/kube-system/configmaps/cilium-config';
const LABEL = 'cilium.io/ingress';
/** With one of these Cilium's agents carry CiliumEnvoyConfigs out. */
const ENVOY_SWITCHES = ['enable-envoy-config', 'enable-gateway-api', 'enable-ingress-controller'];
const SHOWN = 3;
const PAGE = '500';

const configMap = z.object({ data: z.record(z.string(), z.string()).optional() });
const metadata = z.object({ name: z.string(), namespace: z.string().optional() });
const list = z.object({ items: z.array(z.object({ metadata })) });
const envoyConfigs = z.object({
  items: z.array(z.object({ metadata, spec: z.object({ services: z.array(z.object({ name: z.string() })).nullish() }).nullish() })),
});

/** Whether Cilium's own ingress controller is there, and what it leaves behind. */
export async function checkCiliumIngress(client: ApiClient): Promise<CheckResult> {
  const config = await settingsOfCilium(client);
  if (config?.['enable-ingress-controller'] !== 'true')
    return ok('cilium-ingress', config === undefined ? 'no Cilium in kube-system' : 'switched off in Cilium');
  const todo = 'two controllers would write the same statuses and Services: set ingressController.enabled=false in Cilium';
  return failed('cilium-ingress', "Cilium's own ingress controller is active", todo);
}

/**
 * What Cilium's ingress controller does not take away when it is switched off. A CiliumEnvoyConfig of it still leads the traffic of the
 * Services that Sluice takes over to Cilium's Envoys, as they were configured last.
 */
export async function checkCiliumLeftovers(client: ApiClient, namespace: string): Promise<CheckResult> {
  const [config, redirecting, services, endpoints] = await Promise.all([
    settingsOfCilium(client),
    redirectingConfigs(client),
    labelled(client, 'services'),
    labelled(client, 'endpoints'),
  ]);
  const shared = services.filter((name) => name.endsWith('/cilium-ingress') && name !== `${namespace}/cilium-ingress`);
  if (redirecting.length > 0) {
    const todo =
      'they lead traffic of Services of Ingresses to Envoys of Cilium: kubectl delete ciliumenvoyconfig, as soon as Sluice serves';
    const isInForce = ENVOY_SWITCHES.some((name) => config?.[name] === 'true');
    return (isInForce ? failed : warning)('cilium-leftovers', `CiliumEnvoyConfig ${listed(redirecting)}`, todo);
  }
  if (shared.length > 0) {
    const todo =
      'Ingresses in mode shared have the address of the Service cilium-ingress beside Sluice now: change DNS, then delete this one';
    return warning('cilium-leftovers', `Service ${listed(shared)}`, todo);
  }
  if (endpoints.length > 0) {
    const todo = `nobody reads them any more: kubectl delete endpoints -A -l ${LABEL}=true`;
    return warning('cilium-leftovers', `Endpoints ${listed(endpoints)}`, todo);
  }
  return ok('cilium-leftovers', 'nothing of an ingress controller of Cilium');
}

/** Those of a Cilium in kube-system; undefined where there is none. */
export async function settingsOfCilium(client: ApiClient): Promise<Readonly<Record<string, string>> | undefined> {
  const found = await ifFound(client.request({ path: CONFIG }));
  return found === undefined ? undefined : (configMap.parse(found).data ?? {});
}

/** Those that are for a Service with a name as Cilium's ingress controller gives it, and Sluice after it. */
async function redirectingConfigs(client: ApiClient): Promise<readonly string[]> {
  const found = await ifFound(client.request({ path: '/apis/cilium.io/v2/ciliumenvoyconfigs' }));
  if (found === undefined) return [];
  const { items } = envoyConfigs.parse(found);
  return items.filter(({ spec }) => spec?.services?.some(({ name }) => /^cilium-ingress(-|$)/.test(name))).map(nameOf);
}

async function labelled(client: ApiClient, plural: string): Promise<readonly string[]> {
  const found = await ifFound(client.request({ path: `/api/v1/${plural}`, query: { labelSelector: `${LABEL}=true`, limit: PAGE } }));
  return found === undefined ? [] : list.parse(found).items.map(nameOf);
}

function nameOf({ metadata: { namespace = '', name } }: { readonly metadata: z.output<typeof metadata> }): string {
  return `${namespace}/${name}`;
}

function listed(names: readonly string[]): string {
  return someOf(names.toSorted(), SHOWN);
}
