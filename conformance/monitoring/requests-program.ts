// Tells Prometheus of flows of requests that nobody has sent, for as long as Envoy's access logs do not come to agents.
import { createServer } from 'node:http';
import { Registry } from 'prom-client';
import { FlowMetrics, OptionProblem, ProxyMetrics, readMetric } from '../../flows/index.ts';
import { exampleResponse } from '../../flows/testing/example-flow.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';

const [port = ''] = process.argv.slice(2);
const registry = new Registry();
const metrics = DEFAULT_SETTINGS.metrics.flows.map(readMetric).flatMap((metric) => (metric instanceof OptionProblem ? [] : [metric]));
const counted = FlowMetrics.of({ registry, metrics });
if (counted instanceof OptionProblem) throw new TypeError(counted.message);
const proxies = new ProxyMetrics(registry);
setInterval(() => {
  const flow = exampleResponse(200);
  counted.observe(flow);
  proxies.observe(flow);
}, 100);
createServer(async (_, response) => {
  response.setHeader('content-type', registry.contentType);
  response.end(await registry.metrics());
}).listen(Number(port), '127.0.0.1');
