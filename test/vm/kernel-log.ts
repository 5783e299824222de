/** A line the kernel printed; the console does not say its level. */
export interface KernelLine {
  readonly level: number | undefined;
  readonly text: string;
}

const WARNING = 4;

/** A line with its time and, where the kernel is built so, its caller; `dmesg --raw` puts facility and level first. */
const PRINTED = /^(?:<(\d+)>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? (.*)$/;

/** The kernel's lines in a piece of console or of raw log; what programs printed in between is not the kernel's. */
export function kernelLines(text: string): KernelLine[] {
  return text.split("\n").flatMap((line) => {
    const [, priority, content] = PRINTED.exec(line) ?? [];
    if (content === undefined) return [];
    return [{ level: priority === undefined ? undefined : Number(priority) & 7, text: content }];
  });
}

/** Lines that belong to the message before them: registers, stack traces and the like. */
const DETAIL =
  /^(\s|Call Trace|RIP:|RSP:|RAX:|RDX:|RBP:|R\d\d:|FS:|CS:|CR2:|DR\d:|PKRU:|Modules linked|CPU:|UID:|Hardware name|Code:|task:|Workqueue:|Tainted|<\/?TASK>|"echo 0 >|---\[ end|Showing all locks)/;

const SERIOUS = /blocked for more than|BUG|WARNING|Oops|lockup|stall|panic/;

/** What a device that reports errors on purpose makes the kernel say, in a test of such a device. */
const DEVICE_ERROR = /\bublkb\d+|\bdev dm-\d+/;

/** What says nothing of the kernel: messages that were left out, and how slow an emulated machine is. */
const HARMLESS = /callbacks suppressed$|^hrtimer: interrupt took/;

/** We ask for a list of blocked tasks at the time limit: that and what follows is no complaint. */
const OUR_REQUEST = /^sysrq: Changing Loglevel/;

/**
 * The messages of warning level or worse, each with its stack trace, which the kernel may print at a milder
 * level. Plain I/O and file system errors of ublk devices are left out.
 */
export function kernelWarnings(lines: readonly KernelLine[]): string[] {
  const messages: string[] = [];
  let open = false; // whether a detail that comes now belongs to the last message
  let cut = false;
  for (const { level = WARNING, text } of lines) {
    if (OUR_REQUEST.test(text)) break;
    if (text.includes("[ cut here ]")) {
      cut = true; // the line after it names the complaint, however it looks
    } else if (!cut && DETAIL.test(text)) {
      if (open) messages[messages.length - 1] += `\n${text}`;
    } else {
      open = level <= WARNING;
      cut = false;
      if (open) messages.push(text);
    }
  }
  return messages.filter((message) => !HARMLESS.test(message) && (SERIOUS.test(message) || !DEVICE_ERROR.test(message)));
}
