/** Tells on stderr how far a copy is: one line that changes on a terminal, a line now and then elsewhere. */
const TERMINAL_MS = 100;
const ELSEWHERE_MS = 1000;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

function readable(bytes: number): string {
  const unit = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${(bytes / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${UNITS[unit]}`;
}

export class Progress {
  readonly #terminal = process.stderr.isTTY === true;
  readonly #started = performance.now();
  #told = Number.NEGATIVE_INFINITY;

  constructor(readonly enabled: boolean) {}

  /** Call it as often as wanted: it tells the beginning, the end, and in between not more than anybody reads. */
  update(done: number, total: number): void {
    if (!this.enabled) return;
    const now = performance.now();
    if (done < total && now - this.#told < (this.#terminal ? TERMINAL_MS : ELSEWHERE_MS)) return;
    this.#told = now;
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const speed = readable((done / Math.max(now - this.#started, 1)) * 1000);
    const line = `${percent} % of ${readable(total)}, ${speed}/s`;
    process.stderr.write(this.#terminal ? `\r${line}\x1b[K` : `${line}\n`);
  }

  /** Leaves the changing line as it is. */
  end(): void {
    if (this.enabled && this.#terminal) process.stderr.write("\n");
  }
}
