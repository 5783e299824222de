/** Copies what stands in an SQE before its user_data. Word by word: a loop, or `set`, costs several times as much. */
export function copyHead(to: Int32Array, at: number, from: Int32Array, first: number): void {
  to[at] = from[first]!;
  to[at + 1] = from[first + 1]!;
  to[at + 2] = from[first + 2]!;
  to[at + 3] = from[first + 3]!;
  to[at + 4] = from[first + 4]!;
  to[at + 5] = from[first + 5]!;
  to[at + 6] = from[first + 6]!;
  to[at + 7] = from[first + 7]!;
}

/** Copies what stands behind it. */
export function copyTail(to: Int32Array, at: number, from: Int32Array, first: number): void {
  to[at + 10] = from[first + 10]!;
  to[at + 11] = from[first + 11]!;
  to[at + 12] = from[first + 12]!;
  to[at + 13] = from[first + 13]!;
  to[at + 14] = from[first + 14]!;
  to[at + 15] = from[first + 15]!;
}
