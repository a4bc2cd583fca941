import { toJson } from '@bufbuild/protobuf';
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import {
  DropReason,
  type Endpoint,
  type Flow,
  L7FlowType,
  LostEventSource,
  type Policy,
  type Service,
  type TCPFlags,
  TrafficDirection,
  Verdict,
} from '@sluice/envoy-protos/hubble/flow_pb.js';
import { type GetFlowsResponse, GetFlowsResponseSchema } from '@sluice/envoy-protos/hubble/observer_pb.js';
import type { Format } from './formats.ts';

/** What a node told, in lines with their ends; empty for what a form has no place for. */
export type FormatResponse = (response: GetFlowsResponse) => string;

/** @param colours whether verdicts are to be told apart by colours */
export function formatter(format: Format, colours: boolean): FormatResponse {
  const paint = colours ? painted : (word: string) => word;
  switch (format) {
    case 'json':
      return (response) => `${JSON.stringify(toJson(GetFlowsResponseSchema, response, { useProtoFieldName: true }))}\n`;
    case 'dict':
      return byKind((flow) => `${asDictionary(flow, paint)}\n`);
    case 'table':
      return inColumns(paint);
    case 'compact':
      return byKind((flow) => `${compact(flow, paint)}\n`);
  }
}

const LOSSES: ReadonlyMap<LostEventSource, string> = new Map([
  [LostEventSource.PERF_EVENT_RING_BUFFER, 'the kernel had no room for them, or they were more drops than it tells of'],
  [LostEventSource.OBSERVER_EVENTS_QUEUE, 'they came faster than the agent took them'],
  [LostEventSource.HUBBLE_RING_BUFFER, 'they came faster than they were read'],
]);

type Paint = (word: string) => string;

function byKind(format: (flow: Flow) => string): FormatResponse {
  return ({ responseTypes }) => {
    if (responseTypes.case === 'flow') return format(responseTypes.value);
    if (responseTypes.case !== 'lostEvents') return '';
    const { numEventsLost, source } = responseTypes.value;
    return `${numEventsLost} flows were lost: ${LOSSES.get(source) ?? 'there was no room for them'}\n`;
  };
}

const RED = '\u001b[31m';
const YELLOW = '\u001b[33m';
const GREEN = '\u001b[32m';
const PLAIN = '\u001b[0m';
const COLOURS: Readonly<Record<string, string>> = { DROPPED: RED, ERROR: RED, AUDIT: YELLOW, REDIRECTED: YELLOW, FORWARDED: GREEN };

function painted(word: string): string {
  const colour = COLOURS[word.trim()];
  return colour === undefined ? word : `${colour}${word}${PLAIN}`;
}

function compact(flow: Flow, paint: Paint): string {
  const { source, destination } = endsOf(flow);
  const way = flow.isReply ? `${destination} <- ${source}` : `${source} -> ${destination}`;
  return `${timeOf(flow.time)} ${paint(wordOf(Verdict, flow.verdict))} ${way} ${summaryOf(flow)}`;
}

function asDictionary(flow: Flow, paint: Paint): string {
  const { source, destination } = endsOf(flow);
  const rows: readonly (readonly [key: string, value: string])[] = [
    ['TIME', timeOf(flow.time)],
    ['NODE', flow.nodeName],
    ['VERDICT', paint(wordOf(Verdict, flow.verdict))],
    ['SOURCE', source],
    ['DESTINATION', destination],
    ['WORKLOADS', workloadsOf(flow)],
    ['DIRECTION', directionOf(flow)],
    ['SUMMARY', summaryOf(flow)],
    ['TRACE', flow.traceContext?.parent?.traceId ?? ''],
  ];
  const lines = rows.filter(([, value]) => value !== '').map(([key, value]) => `${key.padStart(11)}: ${value}`);
  return [...lines, '------------'].join('\n');
}

const COLUMNS = [24, 10, 44, 44] as const;

function inColumns(paint: Paint): FormatResponse {
  let isFirst = true;
  const row = (cells: readonly string[]) => cells.map((cell, index) => cell.padEnd(COLUMNS[index] ?? 0)).join('  ');
  const rows = byKind((flow) => {
    const { source, destination } = endsOf(flow);
    const [time, verdict, ...rest] = [timeOf(flow.time), wordOf(Verdict, flow.verdict), source, destination, summaryOf(flow)];
    return `${row([time, verdict, ...rest]).replace(verdict, paint(verdict))}\n`;
  });
  return (response) => {
    const text = rows(response);
    if (!isFirst || text === '') return text;
    isFirst = false;
    return `${row(['TIME', 'VERDICT', 'SOURCE', 'DESTINATION', 'SUMMARY'])}\n${text}`;
  };
}

function timeOf(time: Timestamp | undefined): string {
  return time ? timestampDate(time).toISOString() : '';
}

/** Of what a server of a later version says, the number. */
function wordOf(words: Readonly<Record<number, string>>, number: number): string {
  return words[number] ?? String(number);
}

function directionOf({ trafficDirection }: Flow): string {
  return trafficDirection === TrafficDirection.TRAFFIC_DIRECTION_UNKNOWN ? '' : wordOf(TrafficDirection, trafficDirection).toLowerCase();
}

function endsOf(flow: Flow): { readonly source: string; readonly destination: string } {
  const ports = portsOf(flow);
  return {
    source: endOf({
      endpoint: flow.source,
      service: flow.sourceService,
      names: flow.sourceNames,
      address: flow.IP?.source,
      port: ports.source,
    }),
    destination: endOf({
      endpoint: flow.destination,
      service: flow.destinationService,
      names: flow.destinationNames,
      address: flow.IP?.destination,
      port: ports.destination,
    }),
  };
}

interface End {
  readonly endpoint: Endpoint | undefined;
  readonly service: Service | undefined;
  readonly names: readonly string[];
  readonly address: string | undefined;
  readonly port: number | undefined;
}

function endOf(end: End): string {
  return `${shownName(end)}${end.port === undefined ? '' : `:${end.port}`} (${identityOf(end.endpoint)})`;
}

function shownName({ endpoint, service, names, address = '', port }: End): string {
  if (endpoint && endpoint.podName !== '') return `${endpoint.namespace}/${endpoint.podName}`;
  if (service) return `${service.namespace}/${service.name}`;
  if (names.length > 0) return names.join(',');
  return address.includes(':') && port !== undefined ? `[${address}]` : address;
}

/** What made the two, where anything did. */
function workloadsOf({ source, destination }: Flow): string {
  const [from, to] = [source, destination].map((endpoint) => endpoint?.workloads.map(({ kind, name }) => `${kind} ${name}`).join(', '));
  return from || to ? `${from || '-'} -> ${to || '-'}` : '';
}

/** Of one that has no labels of users, what it is. */
function identityOf(endpoint: Endpoint | undefined): string {
  const reserved = endpoint?.labels.find((label) => label.startsWith('reserved:'));
  return reserved?.slice('reserved:'.length) ?? String(endpoint?.identity ?? 0);
}

function portsOf({ l4 }: Flow): { readonly source?: number; readonly destination?: number } {
  const value = l4?.protocol.value;
  return value && 'sourcePort' in value ? { source: value.sourcePort, destination: value.destinationPort } : {};
}

const EVENTS: ReadonlyMap<number, string> = new Map([
  [4, 'ended'],
  [5, 'begun'],
]);

function summaryOf(flow: Flow): string {
  const { verdict, dropReasonDesc, eventType } = flow;
  const event = flow.l7 ? '' : (EVENTS.get(eventType?.type ?? 0) ?? '');
  const reason = verdict === Verdict.DROPPED ? wordOf(DropReason, dropReasonDesc).toLowerCase().replaceAll('_', ' ') : '';
  return [whatOf(flow), event, reason, deciders(flow)].filter(Boolean).join(' ');
}

function whatOf({ l7, l4 }: Flow): string {
  const latency = l7?.type === L7FlowType.RESPONSE ? ` in ${(Number(l7.latencyNs) / 1e6).toFixed(1)} ms` : '';
  if (l7?.record.case === 'http') {
    const { protocol, method, url, code } = l7.record.value;
    return [protocol, method, url, code > 0 ? `-> ${code}${latency}` : ''].filter(Boolean).join(' ');
  }
  if (l7?.record.case === 'dns') {
    const { query, qtypes, ips } = l7.record.value;
    return `DNS ${qtypes.join(',')} ${query}${ips.length > 0 ? ` -> ${ips.join(',')}` : ''}${latency}`;
  }
  if (l7?.record.case === 'kafka') {
    const { apiKey, topic, errorCode } = l7.record.value;
    return ['Kafka', apiKey, topic, l7.type === L7FlowType.RESPONSE ? `-> ${errorCode}${latency}` : ''].filter(Boolean).join(' ');
  }
  const { case: protocol, value } = l4?.protocol ?? {};
  if (protocol === undefined) return '';
  if (protocol === 'TCP' && value && 'flags' in value) return ['TCP', flagsOf(value.flags)].filter(Boolean).join(' ');
  return value && 'type' in value ? `${protocol} type ${value.type}` : protocol;
}

function flagsOf(flags: TCPFlags | undefined): string {
  if (!flags) return '';
  return (['SYN', 'FIN', 'RST', 'ACK'] as const).filter((flag) => flags[flag]).join(',');
}

function deciders({ ingressAllowedBy, egressAllowedBy, ingressDeniedBy, egressDeniedBy }: Flow): string {
  const all = [...ingressAllowedBy, ...egressAllowedBy, ...ingressDeniedBy, ...egressDeniedBy].map(nameOf);
  return all.length === 0 ? '' : `by ${all.join(', ')}`;
}

function nameOf({ kind, namespace, name }: Policy): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}
