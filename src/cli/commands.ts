import { COMMON } from "./common-options.ts";
import type { Option } from "./option.ts";
import { SERVING } from "./serving-options.ts";
import { FILE_TARGET, TARGET_OPTIONS, TARGETS } from "./targets.ts";

/** A command's words besides options. */
export type Words = "none" | "device" | "device-or-all" | "devices" | "device-and-size" | "target" | "topic" | "shell";

/** A command, as the parser, help, completion and the manual have it. */
export interface CommandKind {
  readonly name: Command;
  /** Each way to call it, behind the name. */
  readonly usage: readonly string[];
  /** In a line. */
  readonly summary: string;
  /** What there is to know besides; a paragraph each. */
  readonly about: readonly string[];
  readonly words: Words;
  readonly options: readonly Option[];
}

export type Command =
  | "add"
  | "list"
  | "info"
  | "stop"
  | "del"
  | "recover"
  | "quiesce"
  | "resize"
  | "features"
  | "affinity"
  | "stats"
  | "chown-nodes"
  | "doctor"
  | "completion"
  | "help";

const { json, timeout, force } = COMMON;

/** How long each command waits, in seconds, unless it is told. */
export const SECONDS = { add: 60, stop: 60, del: 15, resize: 30, quiesce: 30 } as const;

const LOG: Option = {
  name: "--log",
  kind: "text",
  value: "FILE",
  help: "where the server writes (default /var/log/uring-ublk/ublkbN.log)",
};

const FOREGROUND: readonly Option[] = [
  { name: "--foreground", kind: "flag", help: "serves in this process, until it is told to end; for systemd and the like" },
  {
    name: "--again",
    kind: "flag",
    help: "with --id: where a disk of ours has that number and no server any more, it is recovered, or deleted before",
  },
  LOG,
];

/** Every command, in the order of help. */
export const COMMANDS: readonly CommandKind[] = [
  {
    name: "add",
    usage: ["TARGET [WORDS] [OPTIONS]"],
    summary: "makes a disk, and a server for it in the background",
    about: [
      "The target is null, loop, memory, stripe, mirror, zoned, integrity, nbd, or the path of a module (./disk.ts) whose default export is one. See 'help targets'.",
      "It returns when the disk can be opened, and prints one line: the disk's path, its number, and the process that serves it. That process is all there is of the server: 'kill PID' stops the disk and removes it, 'kill -9 PID' leaves nothing but what 'del' or 'recover' deal with. It has none of the caller's descriptors, a session of its own, and / as its directory.",
      "What fails on the way leaves nothing behind.",
    ],
    words: "target",
    options: [...TARGET_OPTIONS, ...SERVING, ...FOREGROUND, timeout(SECONDS.add, "how long the start may take"), json],
  },
  {
    name: "list",
    usage: [""],
    summary: "every ublk device, whoever made it",
    about: [],
    words: "none",
    options: [json],
  },
  {
    name: "info",
    usage: ["ID"],
    summary: "all that is known of a device, and who uses it",
    about: ["It asks for nothing that could wait: a device that hangs can be looked at, too."],
    words: "device",
    options: [json],
  },
  {
    name: "stop",
    usage: ["ID"],
    summary: "stops a disk that has a server, and writes back what is dirty",
    about: [
      "The disk's server removes the device. Unmount before: a mount is left without its disk. With --safe a disk that somebody uses is left alone, and the error says who uses it.",
    ],
    words: "device",
    options: [
      { name: "--safe", kind: "flag", help: "only if nobody uses the disk (Linux 7.0)" },
      force("also a device that uring-ublk did not make, and one without a server, which loses what is not written back"),
      timeout(SECONDS.stop, "how long the device may take to stop"),
      json,
    ],
  },
  {
    name: "del",
    usage: ["ID...", "--all"],
    summary: "deletes devices whose server is gone",
    about: [],
    words: "devices",
    options: [
      { name: "--all", kind: "flag", help: "every such device that uring-ublk made" },
      force("also a device that has a live server or was not made by uring-ublk; with --all only uring-ublk's"),
      { name: "--async", kind: "flag", help: "does not wait for those who still have it open" },
      timeout(SECONDS.del, "how long a device may take to stop"),
      json,
    ],
  },
  {
    name: "recover",
    usage: ["ID"],
    summary: "serves a disk again whose server is gone, until it is told to end",
    about: [
      "The disk was made with --recovery; its state file says with which module and options. While its server is still there this waits for it to let go. See 'help recovery'.",
    ],
    words: "device",
    options: [
      { name: "--daemon", kind: "flag", help: "in the background, as add does" },
      LOG,
      timeout(SECONDS.add, "how long the start may take, with --daemon"),
      json,
    ],
  },
  {
    name: "quiesce",
    usage: ["ID"],
    summary: "freezes a disk, and has its server let go of it, for another server",
    about: [
      "The server is asked to hand the disk over (Linux 6.16): requests that have arrived are answered, the queues are closed, and the server ends. The disk stays, and what is mounted stays mounted. New requests wait until 'recover' serves it again; with --recovery fail-io they fail. There is no other way back.",
      "Only a disk that was made with --recovery can be frozen, and only by a server that 'add' or 'recover' started: a program that serves a disk itself calls disk.handOver().",
    ],
    words: "device",
    options: [timeout(SECONDS.quiesce, "how long the server may take"), json],
  },
  {
    name: "resize",
    usage: ["ID SIZE"],
    summary: "gives a disk another size while it is in use",
    about: [
      "The disk's server is asked (Linux 6.16), for its target has to make room, and may refuse. Make a file system smaller before its disk, and larger after it: nobody checks.",
      "Only a server that 'add' or 'recover' started can be asked: a program that serves a disk itself calls disk.resize().",
    ],
    words: "device-and-size",
    options: [timeout(SECONDS.resize, "how long the server may take"), json],
  },
  {
    name: "features",
    usage: [""],
    summary: "every flag of ublk, the kernel that brought it, and whether this one has it",
    about: [],
    words: "none",
    options: [json],
  },
  {
    name: "affinity",
    usage: ["ID"],
    summary: "which CPUs' requests arrive on which queue of a device",
    about: [],
    words: "device",
    options: [json],
  },
  {
    name: "stats",
    usage: ["[ID]"],
    summary: "requests, bytes and latency of each disk, by operation",
    about: [
      "Without --interval or --watch: totals since the disk was made. The kernel keeps these sums for every disk, whether or not somebody looks; a look reads a file of one line.",
      "It does not keep each request's own latency, so there are means. With --latency it counts those, too, for as long as this runs: percentiles and a histogram for each operation of each disk, whoever serves it. That needs root, and costs something for each request; see 'help stats'.",
    ],
    words: "device-or-all",
    options: [
      { name: "--watch", kind: "flag", help: "again and again, until Ctrl-C" },
      {
        name: "--interval",
        kind: "count",
        value: "SECONDS",
        range: [1, 86_400],
        help: "what happens within this time, instead of totals (with --watch default 1, with --latency 5)",
      },
      { name: "--latency", kind: "flag", help: "how long requests take, as percentiles and histograms, counted by the kernel meanwhile" },
      { name: "--count", kind: "count", range: [1, 2 ** 31], help: "with --watch: ends after so many looks" },
      json,
    ],
  },
  {
    name: "chown-nodes",
    usage: ["ID"],
    summary: "gives the nodes of a user's device to that user, for udev rules",
    about: [
      "What the rules of this package (udev/60-uring-ublk.rules) call for each new device, as root: /dev/ublkcN, and /dev/ublkbN when there is a disk, go to whoever made the device with --unprivileged. Nodes of root's devices are left alone.",
    ],
    words: "device",
    options: [json],
  },
  {
    name: "doctor",
    usage: [""],
    summary: "what keeps disks from working here, and what would help",
    about: [
      "Looks at the kernel, the module, io_uring, the process's rights, and every device and whoever holds it. It changes nothing. Status 1 when something is wrong.",
    ],
    words: "none",
    options: [json],
  },
  {
    name: "completion",
    usage: ["bash|zsh|fish"],
    summary: "prints a script that completes command lines",
    about: [
      'In ~/.bashrc: eval "$(uring-ublk completion bash)". In ~/.zshrc, behind compinit: eval "$(uring-ublk completion zsh)". For fish: uring-ublk completion fish > ~/.config/fish/completions/uring-ublk.fish',
    ],
    words: "shell",
    options: [],
  },
  {
    name: "help",
    usage: ["[COMMAND|TOPIC]"],
    summary: "explains a command, or a topic",
    about: [],
    words: "topic",
    options: [],
  },
];

/** The names of the commands. */
export const COMMAND_NAMES: readonly Command[] = COMMANDS.map(({ name }) => name);

/** A command by its name. */
export const kindOf = (command: Command): CommandKind => COMMANDS.find(({ name }) => name === command)!;

/** The names of what `add` takes. */
export const TARGET_NAMES: readonly string[] = TARGETS.map(({ name }) => name);

/** Every kind of target, the user's own module last. */
export const TARGET_KINDS = [...TARGETS, FILE_TARGET];
