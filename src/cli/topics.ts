import { TARGET_KINDS } from "./commands.ts";
import { TARGET_OPTIONS } from "./targets.ts";
import { columns } from "./wrap.ts";

/** A page of help that is not about one command. */
export interface Topic {
  readonly name: string;
  readonly summary: string;
  readonly title: string;
  readonly text: string;
}

function targetsText(): string {
  return TARGET_KINDS.map(({ name, usage, summary, options }) => {
    const rows = TARGET_OPTIONS.filter((option) => options.includes(option.name)).map((option): [string, string] => [
      `${option.name} ${option.value ?? ""}`.trimEnd(),
      option.help,
    ]);
    const own = rows.length === 0 ? "" : `\n${columns(rows)}`;
    return `${`${name} ${usage}`.trimEnd()}: ${summary}${own}`;
  }).join("\n\n");
}

/** Every topic. */
export const TOPICS: readonly Topic[] = [
  {
    name: "targets",
    summary: "what 'add' can serve, with the options of each",
    title: "Targets",
    text: `${targetsText()}

A module has a target as its default export: export default defineTarget({ open, attach }), or an
object with size and read(buffer, offset). It is served in Workers, one for each queue and thread.
What --set gives it arrives in open(options): --set size=1GiB --set 'deep={"a":1}'.

Paths of loop, stripe, mirror, zoned and integrity may be relative. The server's own directory is
/, once it serves.
`,
  },
  {
    name: "exit-status",
    summary: "what the exit status says, and what goes where",
    title: "Exit status and output",
    text: `0    done; of doctor: nothing is wrong
1    failed, or refused: a line on standard error says why, and what helps; of doctor: something is
     wrong
2    wrong usage: nothing was done
128 + N  ended by signal N. A server that is told to end (SIGTERM, SIGINT, SIGHUP) stops its disk
     first, and has such a status, too

Data goes to standard output, and nothing else does; messages go to standard error, each behind
'uring-ublk: '. With --json data is JSON: an object, or an array where there may be several; sizes
are bytes, what is not known is null, and fields are only ever added. 'stats --watch --json' prints
one array a line. Errors are text with --json, too.
`,
  },
  {
    name: "recovery",
    summary: "disks that outlive their server",
    title: "Recovery",
    text: `A disk that was added with --recovery stays when its server ends without having stopped it:

queue     new requests wait; those that the server had in its hands fail
reissue   new requests wait, and those that the server had are sent again: no client sees an error,
          and a write may be done twice
fail-io   requests fail until the next server is there

'list' shows such a disk as quiesced (or fail-io). 'recover ID' serves it again: the module and the
options are in its state file. 'quiesce ID' brings a disk there on purpose, for a new version of the
server: start 'recover ID --daemon' first, and the pause is short.

SIGUSR2 does the same to a server of this program as quiesce. Do not send it to other processes:
most would end.
`,
  },
  {
    name: "servers",
    summary: "how a server in the background lives, and how it is reached",
    title: "Servers",
    text: `'add' starts a server in a process of its own, and prints that process's number. It ends when its
disk is stopped, when it is handed over, or when the process is told to end:

kill PID     stops the disk in order, deletes the device, and ends
kill -9 PID  ends it at once; what it leaves is dead ('del' deletes it), or waits with --recovery

Its log is /var/log/uring-ublk/ublkbN.log; the one before is kept as .1. URING_UBLK_LOG_DIR is
another directory.

resize, quiesce and stop reach it through a socket in /run/uring-ublk/servers, a directory that only
its owner, root, may enter. They wait for at most --timeout; a server that has ended, was stopped by
a signal, or hangs is told apart. A program that serves a disk with the library itself has no such
socket.
`,
  },
  {
    name: "systemd",
    summary: "a server as a service",
    title: "systemd",
    text: `'add --foreground' and 'recover' stay in the process that was started, write to standard error, and
tell the supervisor when the disk can be opened (READY=1) and when it is being stopped (STOPPING=1),
by the socket that NOTIFY_SOCKET names: Type=notify.

The package has a unit for it, systemd/uring-ublk@.service. Copy it to /etc/systemd/system, and
write what is to be added into /etc/uring-ublk/NAME.conf:

ADD=loop /var/lib/disk.img --create 10GiB --id 7

Then 'systemctl enable --now uring-ublk@NAME'. With --id the disk has the same path each time. After
a crash the unit's --again recovers a disk that waits for that, and replaces one that is dead.
`,
  },
  {
    name: "stats",
    summary: "what the numbers of 'stats' are, and what is not there",
    title: "Statistics",
    text: `The kernel counts for every disk, at no cost that could be saved: requests, bytes, and the time from
when a request was handed to the driver until it was answered, for reads, writes, discards and
flushes. MEAN is that time by the number of requests; it is in milliseconds in the kernel, so a mean
of few short requests is coarse. OPEN is how many are under way, BUSY the time with at least one.

The kernel keeps sums, and not each request's own time. With --latency it counts that as well, while
the command runs: from when a request is handed to the driver until it has ended, in buckets of
powers of two (nanoseconds). A percentile is the upper end of its bucket: 'p99 <= 1 ms' says that 99
of 100 requests took at most that; max is the end of the last bucket that has any. Flushes, writes
of zeroes and zone appends have rows of their own. What was under way when the counting began, or
when a disk appeared or went meanwhile, is left out.

It is done with the kernel's tracing (probes on two tracepoints, a histogram trigger), for the disks
that are shown and no others, in an instance of its own, so that nobody else's tracing is disturbed.
It needs root, tracefs (mount -t tracefs nodev /sys/kernel/tracing), and a kernel with
CONFIG_FPROBE_EVENTS, CONFIG_HIST_TRIGGERS, CONFIG_SYNTH_EVENTS and CONFIG_DEBUG_INFO_BTF, as
Debian's. Linux 6.12 lets one do it at a time. What was set up is removed when the command ends,
however it ends; after 'kill -9' by the next one that starts, and 'doctor' tells of it.
`,
  },
  {
    name: "manual",
    summary: "all of this as one page of Markdown",
    title: "",
    text: "",
  },
];
