/** What the guest reports beside the command's output. */
export interface GuestEvents {
  output(text: string): void;
  /** `word` is one of ready, note, results, status; `rest` what follows it. */
  report(word: string, rest: string): void;
}

const RECORD_SEPARATOR = "\x1e";

/**
 * Takes apart what arrives through the guest's port: the command's output, in which lines of the form
 * "<RS>nonce word rest" are the guest's own reports. The nonce keeps a command from imitating them by chance.
 */
export class GuestPort {
  private readonly decoder = new TextDecoder();
  private readonly marker: string;
  private pending = "";

  constructor(
    nonce: string,
    private readonly events: GuestEvents,
  ) {
    this.marker = `${RECORD_SEPARATOR}${nonce} `;
  }

  receive(chunk: Uint8Array): void {
    this.pending += this.decoder.decode(chunk, { stream: true });
    for (;;) {
      const start = this.pending.indexOf(this.marker);
      const end = start < 0 ? -1 : this.pending.indexOf("\n", start);
      if (end < 0) break;
      this.output(start);
      const line = this.pending.slice(this.marker.length, end - start);
      this.pending = this.pending.slice(end - start + 1);
      const space = line.indexOf(" ");
      this.events.report(space < 0 ? line : line.slice(0, space), space < 0 ? "" : line.slice(space + 1));
    }
    this.output(this.certain());
  }

  /** How much of the pending text cannot be the beginning of a report. */
  private certain(): number {
    const start = this.pending.lastIndexOf(RECORD_SEPARATOR);
    if (start < 0) return this.pending.length;
    const tail = this.pending.slice(start);
    return tail.startsWith(this.marker) || this.marker.startsWith(tail) ? start : this.pending.length;
  }

  private output(length: number): void {
    if (length === 0) return;
    this.events.output(this.pending.slice(0, length));
    this.pending = this.pending.slice(length);
  }
}
