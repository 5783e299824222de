import { Random } from "../uring/support/random.ts";

/** What can be varied, by name, and the values of each. */
export type Dimensions = Readonly<Record<string, readonly (string | number)[]>>;

/** One value of every dimension. */
export type Row<D extends Dimensions> = { readonly [Name in keyof D]: D[Name][number] };

/** Whether a row can be had at all. Asked of whole rows only. */
export type Allows<D extends Dimensions> = (row: Row<D>) => boolean;

/** Every row there is. */
export function product<D extends Dimensions>(dimensions: D, allows: Allows<D> = () => true): Row<D>[] {
  let rows: Record<string, string | number>[] = [{}];
  for (const [name, values] of Object.entries(dimensions)) rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  return (rows as unknown as Row<D>[]).filter(allows);
}

/** The pairs of values in a row, each as a text. */
export function pairsOf<D extends Dimensions>(row: Row<D>): string[] {
  const values = Object.entries(row).map(([name, value]) => `${name}=${value}`);
  return values.flatMap((one, i) => values.slice(i + 1).map((other) => `${one} ${other}`));
}

/** A row's values, for the names of tests. */
export const rowName = (row: Readonly<Record<string, string | number>>): string => Object.values(row).join(", ");

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

/**
 * Rows in which every pair of values that some row has occurs: far fewer than there are, and what goes wrong between two dimensions shows.
 * The same seed gives the same rows. Always takes the row with the most pairs that are still missing, so the first rows differ most.
 */
export function pairwise<D extends Dimensions>(dimensions: D, seed: number, allows?: Allows<D>): Row<D>[] {
  const candidates = shuffled(product(dimensions, allows), new Random(seed)).map((row) => ({ row, pairs: pairsOf(row) }));
  const missing = new Set(candidates.flatMap(({ pairs }) => pairs));
  const rows: Row<D>[] = [];
  while (missing.size > 0) {
    let [best, most] = [candidates[0]!, 0];
    for (const candidate of candidates) {
      const gain = candidate.pairs.filter((pair) => missing.has(pair)).length;
      if (gain > most) [best, most] = [candidate, gain];
    }
    rows.push(best.row);
    for (const pair of best.pairs) missing.delete(pair);
  }
  return rows;
}
