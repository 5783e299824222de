import { UBLK_F_BATCH_IO, UBLK_F_USER_COPY } from "./abi.ts";
import { type DataMode, hasMode, MODES, type ModeInfo, modeInfo } from "./data-mode.ts";
import type { CheckedGeometry } from "./geometry.ts";
import { checkFeature, lacking, unsupported } from "./lacking.ts";
import type { CheckedOptions } from "./serve-options.ts";
import { explainSharing } from "./sharing.ts";
import { allowsMode, DENIED } from "./unprivileged.ts";

/** Which data mode a device has, and why. */
export interface ModeExplanation {
  /** The device's mode. */
  readonly mode: DataMode;
  /** What the mode does. */
  readonly meaning: string;
  /** Why it was chosen. */
  readonly why: string;
  /** Every other mode: why it is not used, or that it could be. */
  readonly others: readonly { readonly mode: DataMode; readonly why: string }[];
  /** What becomes of requests whose data lies in memory that the disk shares (`sharedMemory`), or why there are none. */
  readonly sharedMemory: string;
  /** Whether requests are fetched and committed in batches, and why or why not. */
  readonly batch: { readonly used: boolean; readonly why: string };
}

const LOOKS = "the target looks at the data (zeroCopy is not set)";

/** Why the driver wants USER_COPY for a disk. Undefined: it does not. */
function wantsUserCopy({ integrity, zoned }: CheckedGeometry): string | undefined {
  if (zoned !== undefined) return "the disk is zoned, and zones are reported by a copy of this process (USER_COPY)";
  return integrity === undefined ? undefined : "the disk has metadata, which this process copies (USER_COPY)";
}

/** Whether devices of the mode may have USER_COPY: for itself, or beside the pages that are lent. */
const hasUserCopy = ({ flags, lends }: ModeInfo, features: number): boolean => ((lends ? features : flags) & UBLK_F_USER_COPY) !== 0;

/** Linux 7.2 ends an append of a batch whose pages were lent before it has taken its place: the client is told another one. */
const losesPlaces = ({ lends }: ModeInfo, { zoned }: CheckedGeometry, batch: boolean): boolean => lends && batch && zoned !== undefined;

const LOSES = "it loses the places of appends with batch: true";

function refuse(info: ModeInfo, geometry: CheckedGeometry, features: number, batch: boolean): void {
  const { zeroCopy } = geometry;
  if (!hasMode(info, features)) throw unsupported(`mode '${info.name}'`, info.flags, features, ". Leave mode out, or use 'copy'");
  if (info.lends && !zeroCopy) throw new TypeError(`serve: mode is '${info.name}', but ${LOOKS}; leave mode out, or use 'copy'`);
  if (losesPlaces(info, geometry, batch))
    throw new TypeError(`serve: mode is '${info.name}', the disk is zoned, and ${LOSES}; leave one of them out, or use 'user-copy'`);
  const why = wantsUserCopy(geometry);
  if (why !== undefined && !hasUserCopy(info, features))
    throw new TypeError(`serve: mode is '${info.name}', but ${why}; leave mode out, or use 'user-copy'`);
}

function explainBatch(asked: boolean, mode: DataMode, features: number): ModeExplanation["batch"] {
  if (asked) return { used: true, why: "it was asked for" };
  if ((features & UBLK_F_BATCH_IO) === 0) return { used: false, why: lacking(UBLK_F_BATCH_IO, features) };
  const why = mode === "need-get-data" ? "mode 'need-get-data' does not go with it" : "possible: serve with batch: true";
  return { used: false, why };
}

/** Refuses batches where the driver has none. */
export function checkBatch({ batch }: CheckedOptions, features: number): void {
  if (batch) checkFeature("batch: true", UBLK_F_BATCH_IO, features, ". Leave batch out");
}

/** The data mode that was asked for, or the best that target and kernel allow. */
export function chooseMode({ batch, mode, unprivileged }: CheckedOptions, geometry: CheckedGeometry, features: number): DataMode {
  if (mode === undefined) {
    const must = wantsUserCopy(geometry) !== undefined;
    const fits = (info: ModeInfo): boolean =>
      (geometry.zeroCopy || !info.lends) &&
      (!unprivileged || allowsMode(info)) &&
      (!must || hasUserCopy(info, features)) &&
      !losesPlaces(info, geometry, batch);
    return MODES.find((info) => hasMode(info, features) && fits(info))!.name;
  }
  refuse(modeInfo(mode), geometry, features, batch);
  return mode;
}

/** Says why a device has its mode. */
export function explainMode(
  mode: DataMode,
  { mode: asked, batch, unprivileged }: CheckedOptions,
  geometry: CheckedGeometry,
  features: number,
  shared: number | undefined,
): ModeExplanation {
  const { zeroCopy } = geometry;
  const needs = wantsUserCopy(geometry);
  const whyNot = (info: ModeInfo): string => {
    if (!hasMode(info, features)) return lacking(info.flags, features);
    if (unprivileged && !allowsMode(info)) return DENIED;
    if (batch && info.name === "need-get-data") return "it does not go with batch: true";
    if (needs !== undefined && !hasUserCopy(info, features)) return needs;
    if (losesPlaces(info, geometry, batch)) return LOSES;
    return info.lends && !zeroCopy ? LOOKS : `possible: serve with mode: '${info.name}'`;
  };
  const lent = modeInfo(mode).lends
    ? "the target never looks at the data (zeroCopy is set), and this kernel has it"
    : losesPlaces(MODES[0]!, geometry, batch)
      ? `a mode that lends pages would not do: ${LOSES}`
      : unprivileged
        ? "the kernel lends no pages to unprivileged disks"
        : "this kernel lends no pages";
  const best = [zeroCopy ? lent : LOOKS, ...(needs === undefined ? [] : [needs])].join("; ");
  return {
    mode,
    meaning: modeInfo(mode).meaning,
    why: asked === undefined ? `the best there is here: ${best}` : "it was asked for",
    others: MODES.filter(({ name }) => name !== mode).map((info) => ({ mode: info.name, why: whyNot(info) })),
    sharedMemory: explainSharing(shared, features),
    batch: explainBatch(batch, mode, features),
  };
}
