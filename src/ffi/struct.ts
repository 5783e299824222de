/** A field's place in a C struct: byte offset and size. */
export type Field = readonly [offset: number, size: number];

/**
 * A C struct as a table of offsets and sizes, for cold paths (control commands, registration).
 *
 * Numbers are little endian; 8-byte fields take and give Numbers (exact to 2^53), or BigInt with {@link Struct.getBig}.
 */
export class Struct<F extends string> {
  constructor(
    /** The kernel's name of the struct. */
    readonly name: string,
    /** Its size in bytes. */
    readonly size: number,
    /** Its fields. Fields that share an offset are members of a union. */
    readonly fields: Readonly<Record<F, Field>>,
  ) {}

  /** Zeroed memory for `count` of them. Safe to hand to the kernel: its address does not move. */
  allocate(count = 1): DataView<ArrayBuffer> {
    return new DataView(new ArrayBuffer(this.size * count));
  }

  /** Zeroed memory with the given fields set. */
  build(values: Partial<Record<F, number | bigint>>): DataView<ArrayBuffer> {
    const view = this.allocate();
    for (const name of Object.keys(values) as F[]) this.set(view, name, values[name] as number | bigint);
    return view;
  }

  /** Stores an unsigned or signed integer. */
  set(view: DataView, name: F, value: number | bigint, base = 0): void {
    const [offset, size] = this.fields[name];
    const at = base + offset;
    if (size === 8) view.setBigUint64(at, BigInt(value), true);
    else if (size === 4) view.setUint32(at, Number(value), true);
    else if (size === 2) view.setUint16(at, Number(value), true);
    else if (size === 1) view.setUint8(at, Number(value));
    else throw new RangeError(`${this.name}.${name} is ${size} bytes; it is not a number`);
  }

  /** Loads an unsigned integer. */
  get(view: DataView, name: F, base = 0): number {
    const [offset, size] = this.fields[name];
    const at = base + offset;
    if (size === 8) return Number(view.getBigUint64(at, true));
    if (size === 4) return view.getUint32(at, true);
    if (size === 2) return view.getUint16(at, true);
    if (size === 1) return view.getUint8(at);
    throw new RangeError(`${this.name}.${name} is ${size} bytes; it is not a number`);
  }

  /** Loads a signed 32-bit integer. */
  getSigned(view: DataView, name: F, base = 0): number {
    return view.getInt32(base + this.fields[name][0], true);
  }

  /** Loads a 64-bit field without rounding. */
  getBig(view: DataView, name: F, base = 0): bigint {
    return view.getBigUint64(base + this.fields[name][0], true);
  }
}
