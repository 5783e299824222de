/**
 * ublk for Bun: block devices in TypeScript, and the control commands behind them.
 *
 * @module
 */
export * as abi from "./abi.ts";
export type { ModeExplanation } from "./choose-mode.ts";
export {
  type AddDevice,
  type CommandEncoding,
  type CommandOptions,
  type ControlOptions,
  type SetParamsOptions,
  UblkControl,
} from "./control.ts";
export { type DataMode, MODES, type ModeInfo } from "./data-mode.ts";
export { type DescriptorMap, descriptorMap } from "./descriptor-map.ts";
export { UblkDevice } from "./device.ts";
export type { DeviceEvents, DeviceStateName, RequestErrorEvent, SlowEvent, Target } from "./device-types.ts";
export { UblkError } from "./error.ts";
export { FEATURES, type Feature, featureNames } from "./features.ts";
export { guardOf } from "./guard.ts";
export type { HandOverOptions } from "./hand-over.ts";
export { type Holder, holdersInWords, holdersOf } from "./holders.ts";
export { type DeviceInfo, isOurs, type KernelState } from "./info.ts";
export type { Checksum, IntegrityGeometry } from "./integrity.ts";
export { type LentMessage, type LentTransfer, RequestSink, RequestSource } from "./lent-data.ts";
export { RequestMetadata, type Tuple } from "./metadata.ts";
export type { Capabilities } from "./methods.ts";
export { blockPath, charPath, deviceIds } from "./nodes.ts";
export { Op, opName } from "./op.ts";
export { CONTROL_PATH } from "./open-control.ts";
export { type DiskParams, decodeParams, encodeParams, SECTOR } from "./params.ts";
export type { IntegrityParams, MoreParams, SegmentParams, ZonedParams } from "./params-more.ts";
export { checkParams, PARAMS_RULES, type ParamsRule, type RuledDevice } from "./params-rules.ts";
export { UblkQueue } from "./queue.ts";
export type { QueueEvents, QueueResources, QueueSpec, RequestHandler } from "./queue-spec.ts";
export { recover } from "./recover.ts";
export type { RecoverOptions } from "./recover-options.ts";
export type { Recovery } from "./recovery.ts";
export type { RegBuf } from "./reg-buf.ts";
export type { Registration } from "./registration.ts";
export { DeferredRequest, type RequestBuffer, type RequestContext, UblkRequest } from "./request.ts";
export type { SegmentLimits } from "./segments.ts";
export { serve } from "./serve.ts";
export type { ServeOptions } from "./serve-options.ts";
export { SharedMemory } from "./shared-memory.ts";
export type { ShareOptions } from "./shared-region.ts";
export { parseSize } from "./size.ts";
export { type DeviceState, readState, removeState, stateDirectory, writeState } from "./state-file.ts";
export type { StopOptions } from "./stop-options.ts";
export {
  type Attachment,
  defineTarget,
  type Geometry,
  type HandleResult,
  type InlineTarget,
  type MethodResult,
  type Methods,
  type Opened,
  type PlainMethods,
  type RequestTarget,
  type Resized,
  type Size,
  type TargetDefinition,
  type ZonedDisk,
  type ZonedMethods,
} from "./target.ts";
export type { QueueThread } from "./thread.ts";
export type { UnprivilegedMode, UnprivilegedOptions } from "./unprivileged.ts";
export type { ZoneMethods } from "./zone-methods.ts";
export type { ZonedGeometry } from "./zoned.ts";
export type { Zone, ZoneCondition } from "./zones.ts";
