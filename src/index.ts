/**
 * uring-ublk: io_uring and ublk for Bun, in TypeScript.
 *
 * Block devices: {@link serve}, {@link defineTarget}, {@link UblkDevice}. The ring alone: {@link Ring} and the operations.
 *
 * @module
 */
export { blockErrnoOf, SystemError } from "./ffi/index.ts";
export {
  type Attachment,
  type DataMode,
  DeferredRequest,
  defineTarget,
  type Geometry,
  type HandOverOptions,
  type Holder,
  holdersInWords,
  holdersOf,
  type InlineTarget,
  type LentMessage,
  type LentTransfer,
  type Methods,
  MODES,
  type ModeExplanation,
  type ModeInfo,
  Op,
  parseSize,
  type RecoverOptions,
  type Recovery,
  type RequestBuffer,
  type RequestContext,
  RequestSink,
  RequestSource,
  type RequestTarget,
  type Resized,
  recover,
  type ServeOptions,
  SharedMemory,
  type ShareOptions,
  type Size,
  type StopOptions,
  serve,
  type Target,
  type TargetDefinition,
  UblkControl,
  UblkDevice,
  UblkError,
  UblkRequest,
  type Zone,
  type ZoneCondition,
  type ZonedDisk,
  type ZonedGeometry,
  type ZonedMethods,
  type ZoneMethods,
} from "./ublk/index.ts";
export * from "./uring/index.ts";
