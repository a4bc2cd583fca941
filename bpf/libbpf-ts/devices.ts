import { BpfError } from './error.ts';
import { native, type TcHook } from './native.ts';
import { attributesIn, dump, IS_LITTLE_ENDIAN } from './netlink.ts';

/** A filter of traffic control, of whatever kind. */
export interface DeviceFilter {
  /** Such as `bpf`, `u32` or `matchall`. */
  readonly kind: string;
  readonly priority: number;
  readonly handle: number;
  /** Of an eBPF program, as it was attached. */
  readonly name: string | undefined;
  readonly programId: number | undefined;
}

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWQDISC = 36;
const RTM_GETQDISC = 38;
const RTM_NEWTFILTER = 44;
const RTM_GETTFILTER = 46;
const LINK_MESSAGE_BYTES = 16;
const TC_MESSAGE_BYTES = 20;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_NAME = 7;
const TCA_BPF_ID = 11;
const PARENTS = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } satisfies Record<TcHook['direction'], number>;
const EINVAL = 22;
const ENOENT = 2;
const MAX_PROGRAMS = 64;

/** Numbers of the devices in this thread's network namespace. @throws BpfError `netlink-failed` */
export function listDevices(): readonly number[] {
  const links = dump(RTM_GETLINK, new Uint8Array(LINK_MESSAGE_BYTES));
  return links.filter(({ type }) => type === RTM_NEWLINK).map(({ body }) => body.getInt32(4, IS_LITTLE_ENDIAN));
}

/** The filters of a device in one direction, whoever put them there; none where there is no such device. @throws BpfError `netlink-failed` */
export function listFilters({ ifindex, direction }: TcHook): readonly DeviceFilter[] {
  const body = new Uint8Array(TC_MESSAGE_BYTES);
  const view = new DataView(body.buffer);
  view.setInt32(4, ifindex, IS_LITTLE_ENDIAN);
  view.setUint32(12, PARENTS[direction], IS_LITTLE_ENDIAN);
  const filters = dump(RTM_GETTFILTER, body).filter(({ type }) => type === RTM_NEWTFILTER);
  // A chain says of itself that it is there by a filter without a handle.
  return filters.map((message) => readFilter(message.body)).filter(({ handle }) => handle !== 0);
}

/**
 * Queueing disciplines of a device, such as `clsact`, which filters of both directions are in, or `ingress`, whose filters all see what comes
 * in, also those that are put where `clsact` has them see what goes out.
 * @throws BpfError `netlink-failed`
 */
export function listDisciplines(ifindex: number): readonly string[] {
  const all = dump(RTM_GETQDISC, new Uint8Array(TC_MESSAGE_BYTES)).filter(({ type }) => type === RTM_NEWQDISC);
  const own = all.filter(({ body }) => body.getInt32(4, IS_LITTLE_ENDIAN) === ifindex);
  return own.map(({ body }) => textOf(attributesOf(body).get(TCA_KIND)) ?? '');
}

/**
 * Identifiers of the programs that are on a device by a link (tcx) rather than as filters; none where the kernel is older than that.
 * @throws BpfError `netlink-failed`, as where there is no such device
 */
export function listLinkedPrograms(hook: TcHook): readonly number[] {
  const ids = new Uint32Array(MAX_PROGRAMS);
  const result = native().queryTcx(hook, ids);
  if (result === -EINVAL || result === -ENOENT) return [];
  if (result < 0) throw new BpfError('netlink-failed', `device ${hook.ifindex} does not tell what is attached to it`, { errno: -result });
  return [...ids.subarray(0, result)];
}

/** Removes what was made for the filters of a device, if there are none any more. */
export function removeUnusedHook(ifindex: number): void {
  const isUsed = (['ingress', 'egress'] as const).some((direction) => listFilters({ ifindex, direction }).length > 0);
  if (!isUsed) native().hookDestroy(ifindex);
}

function readFilter(body: DataView): DeviceFilter {
  const attributes = attributesOf(body);
  const options = attributes.get(TCA_OPTIONS);
  const inside = options ? attributesIn(options) : new Map<number, DataView>();
  const name = inside.get(TCA_BPF_NAME);
  return {
    kind: textOf(attributes.get(TCA_KIND)) ?? '',
    priority: body.getUint32(16, IS_LITTLE_ENDIAN) >>> 16,
    handle: body.getUint32(8, IS_LITTLE_ENDIAN),
    name: textOf(name),
    programId: inside.get(TCA_BPF_ID)?.getUint32(0, IS_LITTLE_ENDIAN),
  };
}

function attributesOf(body: DataView): ReadonlyMap<number, DataView> {
  return attributesIn(new DataView(body.buffer, body.byteOffset + TC_MESSAGE_BYTES, body.byteLength - TC_MESSAGE_BYTES));
}

function textOf(view: DataView | undefined): string | undefined {
  return view && new TextDecoder().decode(view).replace(/\0.*$/s, '');
}
