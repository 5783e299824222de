interface Sized {
  readonly byteLength?: number;
  readonly length?: number;
}

const sizeOf = ({ byteLength, length }: Sized): number => byteLength ?? length ?? 0;

/** The bytes that an operation with one buffer is asked to move. */
export const lengthOfOne = (o: { readonly buffer: Sized }): number => sizeOf(o.buffer);

/** The bytes that an operation with several buffers is asked to move. */
export const lengthOfMany = (o: { readonly buffers: readonly Sized[] }): number =>
  Array.isArray(o.buffers) ? o.buffers.reduce((sum, buffer) => sum + sizeOf(buffer), 0) : 0;
