/** Where the bytes of a striped disk lie: chunk by chunk, one file after the other, row by row. */
export class Layout {
  /** Bytes in a chunk. */
  readonly chunk: number;
  /** Bytes from one chunk of a file to its next, on the disk. */
  readonly row: number;

  constructor(files: number, chunk: number) {
    this.chunk = chunk;
    this.row = files * chunk;
  }

  /**
   * How many of the disk's first `offset` bytes lie in a file. So a range of the disk is one range of each file: from the bytes before its
   * start to those before its end.
   */
  before(offset: number, file: number): number {
    const rows = Math.floor(offset / this.row);
    const rest = offset - rows * this.row - file * this.chunk;
    return rows * this.chunk + Math.min(Math.max(rest, 0), this.chunk);
  }

  /** Where on the disk a byte of a file is. */
  offsetOf(position: number, file: number): number {
    const rows = Math.floor(position / this.chunk);
    return rows * this.row + file * this.chunk + (position - rows * this.chunk);
  }
}
