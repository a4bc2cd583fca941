import { Counter, Histogram, type Registry } from 'prom-client';
import type { Flow } from '../flow.ts';

/**
 * What Cilium's agents count of requests that Envoy judges, by Cilium's names: each as often as it is judged, for its client and for its server.
 * @see https://docs.cilium.io/en/stable/observability/metrics/#policy-l7-http-kafka-fqdn
 */
export class ProxyMetrics {
  readonly #decided: Counter<'rule' | 'proxy_type'>;
  readonly #replies: Histogram<'error' | 'protocol_l7' | 'scope'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#decided = new Counter({
      name: 'cilium_policy_l7_total',
      help: 'Requests that a proxy has judged',
      labelNames: ['rule', 'proxy_type'],
      registers,
    });
    for (const rule of ['received', 'forwarded', 'denied']) this.#decided.inc({ rule, proxy_type: 'envoy' }, 0);
    this.#replies = new Histogram({
      name: 'cilium_proxy_upstream_reply_seconds',
      help: 'How long answers took by a proxy',
      labelNames: ['error', 'protocol_l7', 'scope'],
      registers,
    });
  }

  observe({ l7, verdict, direction }: Flow): void {
    if (!l7) return;
    const proxy_type = l7.kind === 'dns' ? 'fqdn' : 'envoy';
    if (l7.type === 'request') {
      // Nobody judged what goes for no pod of this node, such as what clients ask of an Ingress that no policy is for.
      if (direction === undefined) return;
      this.#decided.inc({ rule: 'received', proxy_type });
      this.#decided.inc({ rule: verdict === 'dropped' ? 'denied' : 'forwarded', proxy_type });
    } else {
      this.#replies.observe({ error: '', protocol_l7: l7.kind, scope: 'totalTime' }, Number(l7.latency ?? 0n) / 1e9);
    }
  }
}
