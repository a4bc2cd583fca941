import { OptionProblem } from '../option-problem.ts';
import { type ContextOptions, readContext } from './context.ts';
import { METRIC_NAMES, type MetricOptions } from './flow-metrics.ts';

/** What stands between the values of an option. */
const BETWEEN: Readonly<Record<keyof ContextOptions, string>> = {
  sourceContext: '|',
  sourceEgressContext: '|',
  sourceIngressContext: '|',
  destinationContext: '|',
  destinationEgressContext: '|',
  destinationIngressContext: '|',
  labelsContext: ',',
};

function isOption(name: string): name is keyof ContextOptions {
  return Object.hasOwn(BETWEEN, name);
}

/**
 * A metric and its options as Hubble's settings have them: `httpV2:sourceContext=workload|namespace;labelsContext=source_ip,destination_ip`. Whether there are
 * such a metric and such contexts is not looked at.
 * @returns what is wrong with it, where something is
 */
export function readMetric(text: string): MetricOptions | OptionProblem {
  const [name = '', ...rest] = text.split(':');
  const context: Partial<Record<keyof ContextOptions, readonly string[]>> = {};
  for (const option of rest.join(':').split(';')) {
    if (option === '' && rest.join('') === '') continue;
    const [key = '', ...value] = option.split('=');
    if (!isOption(key)) return new OptionProblem(`${JSON.stringify(key)} is none of the options ${Object.keys(BETWEEN).join(', ')}`);
    if (Object.hasOwn(context, key)) return new OptionProblem(`${key} is given twice`);
    context[key] = value.join('=').split(BETWEEN[key]);
  }
  return { name, ...context };
}

/** What nobody can hold to of a list of metrics. */
export function problemsOfMetrics(texts: readonly string[]): readonly { readonly index: number; readonly problem: OptionProblem }[] {
  const read = texts.map(readMetric);
  return read.flatMap((metric, index) => {
    const problem = metric instanceof OptionProblem ? metric : problemOf(metric, read.slice(0, index));
    return problem ? [{ index, problem }] : [];
  });
}

function problemOf({ name, ...context }: MetricOptions, before: readonly (MetricOptions | OptionProblem)[]): OptionProblem | undefined {
  if (!METRIC_NAMES.includes(name)) return new OptionProblem(`${JSON.stringify(name)} is none of the metrics ${METRIC_NAMES.join(', ')}`);
  const isTwice = before.some((other) => !(other instanceof OptionProblem) && other.name === name);
  if (isTwice) return new OptionProblem(`${name} stands there twice`);
  const read = readContext(context);
  return read instanceof OptionProblem ? read : undefined;
}
