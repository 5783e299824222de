// A Worker that sends to the mailbox it is told of, and answers with the address of its own.
import { type MailAddress, msgRing, Ring, sendMessage } from "uring-ublk";

declare const self: Worker;

const ring = await Ring.open({ entries: 8 });
const mailbox = ring.mailbox();

self.onmessage = async ({ data }: MessageEvent<{ to: MailAddress; blind: boolean }>) => {
  for (let i = 1; i <= 50; i++) {
    if (data.blind) sendMessage(data.to, { result: i });
    else await ring.run(msgRing({ to: data.to, result: i }));
  }
  let sum = 0;
  for await (const { result } of mailbox) {
    if (result === 0) break;
    sum += result;
  }
  mailbox.close();
  await ring.close();
  postMessage({ sum });
};
postMessage({ address: mailbox.address });
