/**
 * Which leg a READ goes to. One that begins where another ended goes to the same leg, so that the page cache and drives that turn see whole
 * streams and read ahead; the others take the legs in turn.
 */
export class ReadBalance {
  readonly #legs: number;
  readonly #ends: Float64Array; // where the latest READ of each leg ends
  #turn = -1;

  constructor(legs: number) {
    this.#legs = legs;
    this.#ends = new Float64Array(legs).fill(-1);
  }

  /** A leg that is none of the `excluded` ones, which are bits; -1 when all are. */
  choose(offset: number, length: number, excluded: number): number {
    const leg = this.#following(offset, excluded);
    if (leg >= 0) this.#ends[leg] = offset + length;
    return leg;
  }

  #following(offset: number, excluded: number): number {
    for (let leg = 0; leg < this.#legs; leg++) if (this.#ends[leg] === offset && ((excluded >> leg) & 1) === 0) return leg;
    for (let i = 0; i < this.#legs; i++) {
      this.#turn = (this.#turn + 1) % this.#legs;
      if (((excluded >> this.#turn) & 1) === 0) return this.#turn;
    }
    return -1;
  }
}
