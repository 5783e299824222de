import { sys } from "../../ffi/index.ts";
import { type ControlMessage, descriptorsOf } from "../control-message.ts";
import type { RingCore } from "../core.ts";
import { type DirectSlot, FixedFile } from "../handles.ts";

/** Closes the descriptors that came with a message that nobody gets. */
export function closeDescriptors(control: readonly ControlMessage[]): void {
  for (const fd of descriptorsOf(control)) sys.close(fd);
}

/** What errors mean where a slot of the file table is filled. */
export const TABLE_HINTS = {
  ENXIO: "the ring has no file table: open it with fixedFiles",
  ENFILE: "the ring's file table is full, or there is none: open it with (more) fixedFiles",
};

/** The slot that an operation has filled: the one it was told, or the one the kernel chose, which its result names. */
export const filled = (place: DirectSlot, result: number): FixedFile => (place === "any" ? new FixedFile(result) : place);

/** Empties a slot of the file table that nobody knows of. */
export function emptySlot(slot: number, ring: RingCore): void {
  if (!ring.closed) ring.register.updateFiles(slot, [-1]);
}
