import { type Attachment, defineTarget } from "uring-ublk";

export default defineTarget({
  open: () => ({ size: 4096 }),
  attach: () => new Promise<Attachment>(() => {}),
});
