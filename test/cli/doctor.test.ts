import { describe, expect, test } from "bun:test";
import { examine } from "../../src/cli/doctor/index.ts";
import type { Finding, Machine } from "../../src/cli/doctor/machine.ts";
import type { Device } from "../../src/cli/survey.ts";

const RELEASE = "7.2.12-amd64";

/** Files of a machine where nothing is wrong. */
const SOUND: Readonly<Record<string, string>> = {
  "/dev/ublk-control": "",
  "/sys/module/ublk_drv": "",
  "/proc/modules": "",
  "/proc/self/status": "Name:\tbun\nCapEff:\t000001ffffffffff\n",
  "/proc/self/uid_map": "0          0 4294967295",
  "/proc/self/mounts": "udev /dev devtmpfs rw 0 0\n",
  "/proc/sys/kernel/io_uring_disabled": "0",
};

interface Given extends Partial<Machine> {
  /** Files besides; undefined: it is not there. */
  readonly files?: Readonly<Record<string, string | undefined>>;
}

function machine({ files: more = {}, ...given }: Given = {}): Machine {
  const files: Readonly<Record<string, string | undefined>> = { ...SOUND, ...more };
  return {
    release: RELEASE,
    arch: "x64",
    bun: "1.4.5",
    stateDirectory: "/run/uring-ublk",
    read: (path) => files[path],
    exists: (path) => Object.keys(files).some((file) => files[file] !== undefined && (file === path || file.startsWith(`${path}/`))),
    list: (path) =>
      Object.keys(files)
        .filter((file) => files[file] !== undefined && file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1)),
    writable: () => true,
    opens: () => false,
    ring: async () => ({ value: true }),
    features: async () => ({ value: 0x1fffff }),
    devices: async () => [],
    holders: () => [],
    serverSide: () => [],
    ...given,
  };
}

const device = (given: Partial<Device>): Device => ({
  id: 3,
  path: "/dev/ublkb3",
  state: "live",
  pid: 4711,
  alive: true,
  ours: true,
  owner: { uid: 0, gid: 0 },
  unprivileged: false,
  module: undefined,
  queues: 1,
  depth: 128,
  size: 2 ** 20,
  ...given,
});

/** All that is not well on a machine. */
async function found(given: Given): Promise<Finding[]> {
  return (await examine(machine(given))).filter(({ level }) => level !== "ok");
}

/** The only thing that is not well on a machine. */
async function only(given: Given): Promise<Finding> {
  const findings = await found(given);
  expect(findings).toHaveLength(1);
  return findings[0]!;
}

/** Without the module; what is said depends on what else there is. */
const unloaded = (files: Given["files"]): Given => ({
  files: { "/dev/ublk-control": undefined, "/sys/module/ublk_drv": undefined, ...files },
});
const DEP = `/lib/modules/${RELEASE}/modules.dep`;
const BUILT_IN = `/lib/modules/${RELEASE}/modules.builtin`;
const HAS = "kernel/drivers/block/loop.ko.xz:\nkernel/drivers/block/ublk_drv.ko.xz:\n";
const orphan = (given: Partial<Device>): Given => ({ devices: async () => [device({ alive: false, ...given })] });
const refused = (code: string, more: Given = {}): Given => ({ ...more, ring: async () => ({ code, message: `io_uring_setup: ${code}` }) });

/** A user whom the administrator lets open the control node. */
const user = (files: Given["files"], more: Given = {}): Given => ({
  files: { "/proc/self/status": "CapEff:\t0000000000000000", ...files },
  opens: (path) => path === "/dev/ublk-control",
  ...more,
});
const RULE = "/etc/udev/rules.d/60-uring-ublk.rules";
const GIVES = 'KERNEL=="ublk[bc]*", RUN+="/usr/local/bin/uring-ublk chown-nodes %k"\n';
const QUOTA = "/sys/module/ublk_drv/parameters/ublks_max";

describe("the doctor", () => {
  test("finds what was left in the kernel's tracing by a process that is gone, and not what one that lives has there", async () => {
    const stat = `7 (bun) S ${"0 ".repeat(18)}1234 0\n`;
    const left = { "/sys/kernel/tracing/dynamic_events": "t:uring_ublk_7_99/issue block_rq_issue\n", "/proc/7/stat": stat };
    expect(await only({ files: left })).toMatchObject({
      check: "tracing",
      level: "warning",
      message: expect.stringContaining("uring_ublk_7_99 in /sys/kernel/tracing"),
      remedy: "uring-ublk stats --latency removes it when it starts",
    });
    expect(await found({ files: { ...left, "/sys/kernel/tracing/dynamic_events": "t:uring_ublk_7_1234/issue block_rq_issue\n" } })).toEqual(
      [],
    );
  });

  test("finds nothing where nothing is wrong", async () => {
    expect(await found({})).toEqual([]);
    expect(await found({ devices: async () => [device({})] })).toEqual([]);
  });

  test.each<[string, Given, string, string]>([
    ["a kernel that is too old", { release: "6.1.0-13-amd64" }, "kernel", "Linux 6.1.0-13-amd64 is too old"],
    ["another processor", { arch: "arm64" }, "platform", "this is arm64"],
    ["an old Bun", { bun: "1.3.9" }, "platform", "Bun 1.3.9 is too old"],
    ["a module that is not loaded", unloaded({ [DEP]: HAS }), "module", "is there but not loaded"],
    [
      "a module that there is not",
      unloaded({ [DEP]: "kernel/drivers/block/loop.ko.xz:\n" }),
      "module",
      "no ublk module (CONFIG_BLK_DEV_UBLK)",
    ],
    ["modules of another kernel", unloaded({}), "module", `/lib/modules/${RELEASE} is missing`],
    ["a kernel without modules", unloaded({ "/proc/modules": undefined }), "module", "loads no modules"],
    ["a driver that is built in, and has no node", unloaded({ [BUILT_IN]: HAS }), "module", "built into this kernel"],
    [
      "a module that is blacklisted",
      unloaded({ [DEP]: HAS, "/etc/modprobe.d/no.conf": "# no\nblacklist ublk_drv\n" }),
      "module",
      "/etc/modprobe.d/no.conf keeps it",
    ],
    [
      "a module that is installed by nothing",
      unloaded({ [DEP]: HAS, "/etc/modprobe.d/no.conf": "install ublk_drv /bin/false" }),
      "module",
      "/etc/modprobe.d/no.conf keeps it",
    ],
    [
      "a system that loads no modules any more",
      unloaded({ [DEP]: HAS, "/proc/sys/kernel/modules_disabled": "1" }),
      "module",
      "kernel.modules_disabled",
    ],
    ["a module without its node", { files: { "/dev/ublk-control": undefined } }, "module", "/dev/ublk-control is missing"],
    [
      "io_uring that is switched off",
      refused("EPERM", { files: { "/proc/sys/kernel/io_uring_disabled": "2" } }),
      "io_uring",
      "for everybody",
    ],
    [
      "io_uring that is root's",
      refused("EPERM", { files: { "/proc/sys/kernel/io_uring_disabled": "1" } }),
      "io_uring",
      "without CAP_SYS_ADMIN",
    ],
    ["io_uring that a filter refuses", refused("EPERM"), "io_uring", "seccomp"],
    ["io_uring that there is not", refused("ENOSYS"), "io_uring", "there is no io_uring"],
    ["io_uring that is old", refused("EINVAL"), "io_uring", "older than Linux 5.19"],
    ["a limit of locked memory", refused("ENOMEM"), "io_uring", "lock its memory"],
    ["a ring that fails otherwise", refused("EMFILE"), "io_uring", "io_uring_setup: EMFILE"],
    ["a user", { files: { "/proc/self/status": "CapEff:\t0000000000000000" } }, "rights", "no CAP_SYS_ADMIN"],
    ["a container's root", { files: { "/proc/self/uid_map": "0 100000 65536" } }, "rights", "a user namespace"],
    ["a driver that does not answer", { features: async () => ({ code: "EACCES", message: "not for you" }) }, "driver", "not for you"],
    ["a disk whose server is gone, and waits", orphan({ state: "quiesced" }), "orphan", "its clients wait"],
    ["one whose clients get errors", orphan({ state: "fail-io" }), "orphan", "its clients get errors"],
    [
      "swap on a disk",
      { devices: async () => [device({})], holders: () => [{ kind: "swap", device: "/dev/ublkb3" }] },
      "danger",
      "used for swap",
    ],
    [
      "a root file system",
      { devices: async () => [device({})], holders: () => [{ kind: "mount", device: "/dev/ublkb3", path: "/" }] },
      "danger",
      "root file system",
    ],
    [
      "a server that is stopped",
      { devices: async () => [device({})], files: { "/proc/4711/status": "State:\tT (stopped)\n" } },
      "server",
      "stopped by a signal",
    ],
  ])("tells of %s, which keeps something from working", async (_, given, check, message) => {
    const finding = await only(given);
    expect(finding).toMatchObject({ check, level: "problem", message: expect.stringContaining(message) });
    if (check !== "driver") expect(finding.remedy).toBeString();
  });

  test.each<[string, Given, string, string]>([
    ["a dead device", orphan({ state: "dead" }), "orphan", "/dev/ublkb3 is dead: its server is gone (it was process 4711)"],
    ["a /dev that nobody fills", { files: { "/proc/self/mounts": "tmpfs /dev tmpfs rw 0 0\n" } }, "nodes", "/dev is a tmpfs"],
    ["a state directory that cannot be written", { writable: () => false }, "state", "cannot be written"],
    [
      "a check that fails itself",
      { devices: () => Promise.reject(new Error("no answer")), files: { "/run/uring-ublk/3.json": undefined } },
      "state",
      "no answer",
    ],
  ])("warns of %s", async (_, given, check, message) => {
    const findings = await found(given);
    expect(findings[0]).toMatchObject({ check, level: "warning", message: expect.stringContaining(message) });
  });

  test.each<[string, Given, string, string]>([
    ["a device of another program", orphan({ state: "dead", ours: false }), "orphan", "was not made by uring-ublk"],
    ["io_uring that is not for everybody", { files: { "/proc/sys/kernel/io_uring_disabled": "1" } }, "io_uring", "not to everybody"],
    ["a user who may make unprivileged disks", user({ [RULE]: GIVES }), "rights", "this process may make unprivileged disks only"],
    ["a state file of a device that is gone", { files: { "/run/uring-ublk/9.json": "{}" } }, "state", "/run/uring-ublk/9.json"],
  ])("notes %s", async (_, given, check, message) => {
    expect(await only(given)).toMatchObject({ check, level: "note", message: expect.stringContaining(message) });
  });

  test("tells a user what the administrator has left out, and how much is used up", async () => {
    const rules = (await found(user({ "/lib/udev/rules.d/60-ublk.rules": 'KERNEL=="ublk-control", MODE="0666"' }))).at(-1);
    expect(rules).toMatchObject({ check: "users", level: "problem", message: expect.stringContaining("no udev rule gives") });
    expect(rules!.remedy).toContain("udev/60-uring-ublk.rules");
    const own = (id: number): Device => device({ id, unprivileged: true, owner: { uid: 7, gid: 7 } });
    const full = (await found(user({ [RULE]: GIVES, [QUOTA]: "2" }, { devices: async () => [own(3), own(4)] }))).at(-1);
    expect(full).toMatchObject({ check: "users", level: "warning", message: expect.stringContaining("2 of at most 2") });
    expect(await found(user({ [RULE]: GIVES, [QUOTA]: "3" }, { devices: async () => [own(3), own(4)] }))).toHaveLength(1);
    const denied = await only({ files: { "/proc/self/status": "CapEff:\t0000000000000000" } });
    expect(denied).toMatchObject({ check: "rights", level: "problem" });
    expect(denied.remedy).toContain("udev/60-uring-ublk.rules");
  });

  test("says what is missed without a flag, and since when there is one", async () => {
    const findings = await found({ features: async () => ({ value: 0x1fffff & ~0x400 }) });
    expect(findings).toEqual([
      { check: "features", level: "note", message: "the driver has no UPDATE_SIZE: disks keep their size", remedy: "Linux 6.16 or newer" },
    ]);
  });

  test("says what was seen on this kernel", async () => {
    const checks = await found({ release: "6.12.48-amd64" });
    expect(checks.map(({ check, level }) => [check, level])).toEqual([
      ["kernel-known", "warning"],
      ["kernel-known", "note"],
      ["kernel-known", "note"],
    ]);
    expect(await found({ release: "6.18.15+deb13-cloud-amd64" })).toMatchObject([
      { check: "kernel-known", level: "note", message: expect.stringContaining("dies while it recovers a disk") },
      { check: "kernel-known", level: "warning", message: expect.stringContaining("another size while it is being stopped") },
    ]);
    expect((await examine(machine())).filter(({ check }) => check === "kernel-known")).toEqual([]);
  });

  test("names who holds an orphan: its clients, and what must end before it can be recovered", async () => {
    const held: Given = {
      ...orphan({ state: "quiesced" }),
      holders: () => [{ kind: "mount", device: "/dev/ublkb3", path: "/srv" }],
      serverSide: () => ["process 99 (sleep) has open /dev/ublkc3"],
    };
    expect((await only(held)).message).toBe(
      "/dev/ublkb3 has no server (it was process 4711), and its clients wait; mounted on /srv; process 99 (sleep) has open /dev/ublkc3, and must end before",
    );
    const dead = await only({ ...held, ...orphan({ state: "dead" }) });
    expect([dead.message, dead.remedy]).toEqual([
      "/dev/ublkb3 is dead: its server is gone (it was process 4711); mounted on /srv",
      "unmount or close it; then uring-ublk del 3",
    ]);
  });
});
