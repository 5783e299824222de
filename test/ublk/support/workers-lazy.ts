/** Loaded by workers-target.ts with its first request. */
export const later = (base: number): number => base + 1;
