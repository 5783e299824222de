/** Kinds of descriptors are types: an ordinary one, a slot of the ring's file table, and a place to open into. */
import {
  cancelFd,
  close,
  closeDirect,
  type DirectSlot,
  type Fd,
  FixedFile,
  fsync,
  openat,
  openatDirect,
  poll,
  Ring,
  read,
  recv,
  send,
  uringCmd,
  write,
} from "uring-ublk";
import { expectType, type Same } from "./expect-type.ts";

const buffer = new Uint8Array(8);
const slot = new FixedFile(3);
const fd: Fd = 3;

// Operations on an open file take both kinds.
read({ fd, buffer });
read({ fd: slot, buffer });
write({ fd: slot, buffer });
fsync({ fd: slot });
poll({ fd: slot, events: 1 });
send({ fd: slot, buffer });
recv({ fd: slot, buffer });
uringCmd({ fd: slot, cmdOp: 1 });

// Closing is different for each.
close({ fd });
closeDirect({ slot });
// @ts-expect-error a slot of the file table is emptied by closeDirect
close({ fd: slot });
// @ts-expect-error a descriptor is closed by close
closeDirect({ slot: fd });
cancelFd({ fd: slot }); // by what they were queued with

// Opening gives one or the other.
const ring = await Ring.open();
expectType<Same<Awaited<ReturnType<typeof open>>, number>>();
expectType<Same<Awaited<ReturnType<typeof openSlot>>, FixedFile>>();
const open = () => ring.run(openat({ path: "/tmp/x" }));
const openSlot = () => ring.run(openatDirect({ path: "/tmp/x", slot: "any" }));
openatDirect({ path: "/tmp/x", slot });
// @ts-expect-error a slot is not a number: it belongs to a ring's table
openatDirect({ path: "/tmp/x", slot: 3 });
// @ts-expect-error the only word is "any"
openatDirect({ path: "/tmp/x", slot: "some" });
// @ts-expect-error into the file table only with openatDirect
openat({ path: "/tmp/x", slot });
// @ts-expect-error a directory descriptor is an ordinary one
openat({ path: "/tmp/x", dirfd: slot });

// @ts-expect-error a path is no descriptor
read({ fd: "/tmp/x", buffer });
// @ts-expect-error nor is nothing
read({ buffer });
const wrong: DirectSlot[] = [slot, "any"];
void wrong;
