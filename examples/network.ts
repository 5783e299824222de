/** What the network programs share: their command line, errors in one line instead of a stack, and a clean end on Ctrl-C. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import {
  AF_INET,
  AF_INET6,
  bind,
  type Fd,
  IPPROTO_TCP,
  listen,
  type Ring,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  type SocketAddress,
  setsockopt,
  socket,
  socketName,
  TCP_NODELAY,
} from "uring-ublk";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** The options of a command line, by name. */
export type Values = { readonly [name: string]: string | boolean | undefined };

/** A mistake in the command line. */
export class UsageError extends Error {}

/** A whole number of the command line, or its default. */
export function whole(values: Values, option: string, fallback: number, least: number, most: number): number {
  const text = values[option];
  if (text === undefined) return fallback;
  const number = typeof text === "string" && /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`--${option} is '${text}'; it must be a whole number from ${least} to ${most}`);
}

/** An address to print: `127.0.0.1:7`, `[::1]:7`. */
export function show(address: SocketAddress): string {
  if (address.family === "ipv4") return `${address.address}:${address.port}`;
  return address.family === "ipv6" ? `[${address.address}]:${address.port}` : address.family;
}

/** An IP address of the command line; what is none is refused where it is used. */
export function ipAddress(address: string, port: number): SocketAddress {
  return { family: address.includes(":") ? "ipv6" : "ipv4", address, port };
}

/** An IP address and a port of the command line: `127.0.0.1:7` or `[::1]:7`. */
export function endpoint(option: string, text: string): SocketAddress {
  const parts = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (parts === null) throw new UsageError(`--${option} is '${text}'; it must be an IP address and a port, such as 127.0.0.1:7 or [::1]:7`);
  return ipAddress(parts[1] ?? parts[2]!, Number(parts[3]));
}

/** A socket that listens there; says where, as the kernel may have chosen the port. With `noDelay` what it accepts has TCP_NODELAY as well. */
export async function listenAt(ring: Ring, address: SocketAddress, noDelay = false): Promise<Fd> {
  const fd = await ring.run(socket({ domain: address.family === "ipv6" ? AF_INET6 : AF_INET, type: SOCK_STREAM }));
  await ring.run(setsockopt({ fd, level: SOL_SOCKET, name: SO_REUSEADDR, value: 1 }));
  if (noDelay) await ring.run(setsockopt({ fd, level: IPPROTO_TCP, name: TCP_NODELAY, value: 1 }));
  await ring.run(bind({ fd, address }));
  await ring.run(listen({ fd }));
  console.log(`listening on ${show(socketName(fd))}`);
  return fd;
}

/** A program that serves until it is told to stop. */
export interface NetworkProgram {
  readonly name: string;
  readonly help: string;
  readonly options: Options;
  /** Serves; ends when the signal is aborted. Answers what to say at the end. */
  serve(values: Values, signal: AbortSignal): Promise<string>;
}

/** Runs a program until Ctrl-C or SIGTERM. Bad usage ends with status 2, a failure with 1. */
export async function main(program: NetworkProgram): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort(new Error(name)));
  try {
    const { values } = parseArgs({ options: { ...program.options, help: { type: "boolean", short: "h" } } });
    if (values.help === true) process.stdout.write(program.help);
    else console.error(await program.serve(values as Values, stop.signal));
  } catch (error) {
    const usage = error instanceof UsageError || (error as { code?: unknown }).code?.toString().startsWith("ERR_PARSE_ARGS") === true;
    console.error(`${program.name}: ${(error as Error).message}${usage ? `\nTry: bun examples/${program.name}/main.ts --help` : ""}`);
    process.exitCode = usage ? 2 : 1;
  }
}
