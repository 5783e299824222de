import { high32, join64, low32, PAGE_SIZE } from "../ffi/index.ts";

/** The most pieces of memory that a disk shares at a time. */
export const SHARED_MAX = 1024;

// A word each: whether there is one, its address (two), its pages.
const WORDS = 4;
const THERE = 0;
const PENDING = SHARED_MAX; // what is being registered: its index is not known yet
const LEAVING = SHARED_MAX + 1; // what is about to be unmapped; THERE counts the threads that have let go of it
const ENTRIES = SHARED_MAX + 2;

/**
 * What a disk shares with its clients, by the index that requests carry: in memory of its own that every serving thread reads. The thread
 * that made the disk writes, one change at a time.
 *
 * The kernel may send requests with a new index before anybody has heard of it. So what is about to be registered stands in the table
 * already: an index that nobody knows is that one's. An index is forgotten after its registration is gone, and before the next is begun.
 */
export class SharedTable {
  /** What other threads make their own of. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  /** Address of what {@link SharedTable.find} has found. */
  address = 0;
  /** Its length in bytes. */
  length = 0;

  constructor(memory = new SharedArrayBuffer(ENTRIES * WORDS * 4)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Memory is about to be registered. */
  expect(address: number, length: number): void {
    this.#write(PENDING, address, length, 1);
  }

  /** Nothing is any more. */
  expectNothing(): void {
    Atomics.store(this.#words, PENDING * WORDS + THERE, 0);
  }

  /** Memory has got its index. */
  set(index: number, address: number, length: number): void {
    this.#write(index, address, length, 1);
  }

  /** Nothing is registered under this index: no request carries it any more. */
  clear(index: number): void {
    Atomics.store(this.#words, index * WORDS + THERE, 0);
  }

  /** Finds the memory of an index. Allocates nothing. */
  find(index: number): boolean {
    if (index < SHARED_MAX && this.#read(index)) return true;
    const pending = this.#read(PENDING);
    // What was read may be of the next registration: then the index is known by now.
    return (index < SHARED_MAX && this.#read(index)) || pending;
  }

  /** Memory is about to be unmapped: every thread must let go of it. */
  leave(address: number, length: number): void {
    this.#write(LEAVING, address, length, 0);
  }

  /** Address of what is leaving. */
  get leaving(): number {
    this.#read(LEAVING);
    return this.address;
  }

  /** The calling thread has let go of what is leaving. */
  left(): void {
    Atomics.add(this.#words, LEAVING * WORDS + THERE, 1);
  }

  /** How many threads have. */
  get gone(): number {
    return Atomics.load(this.#words, LEAVING * WORDS + THERE);
  }

  #write(entry: number, address: number, length: number, there: number): void {
    const at = entry * WORDS;
    this.#words[at + 1] = low32(address);
    this.#words[at + 2] = high32(address);
    this.#words[at + 3] = length / PAGE_SIZE;
    Atomics.store(this.#words, at + THERE, there);
  }

  #read(entry: number): boolean {
    const at = entry * WORDS;
    const there = Atomics.load(this.#words, at + THERE) !== 0;
    if (!there && entry !== LEAVING) return false;
    this.address = join64(this.#words[at + 1]!, this.#words[at + 2]!);
    this.length = this.#words[at + 3]! * PAGE_SIZE;
    return there;
  }
}
