/** A disk over TCP: the export of an NBD server. */
import { nbd } from "uring-ublk/targets";
import { main, SERVING_HELP, serveBundled, UsageError } from "../command-line.ts";

const help = `Serves the export of an NBD server as a disk: of examples/nbd-server, nbd-server, qemu-nbd, nbdkit.

  bun examples/nbd/main.ts HOST[:PORT][/EXPORT] [OPTIONS]

  --read-only        clients may only read
  --timeout-ms N     for how long the server may leave a request without an answer (default 30000)
${SERVING_HELP}`;

function parse(word: string): { host: string; port?: number; export?: string } {
  const parts = /^(?:\[([^\]]+)\]|([^:/[\]]+))(?::(\d{1,5}))?(?:\/(.*))?$/.exec(word);
  if (parts === null)
    throw new UsageError(`HOST is '${word}'; it must be a name or an IP address, with a port and an export if need be: [::1]:10809/name`);
  const [, ipv6, host, port, name] = parts;
  return {
    host: ipv6 ?? host!,
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(name === undefined ? {} : { export: name }),
  };
}

await main({
  name: "nbd",
  help,
  word: ["HOST", "the server, as HOST[:PORT][/EXPORT]"],
  options: { readOnly: "flag", timeoutMs: "count" },
  start: (line) => serveBundled(nbd, { ...parse(line.word), ...line.own }, line),
});
