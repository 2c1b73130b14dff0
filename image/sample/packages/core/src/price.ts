/** One line of a basket. Prices are whole cents: a sum of fractions would not add up. */
export interface Item {
  sku: string;
  cents: number;
  quantity: number;
}

/** What a rule takes off a basket, in cents. */
export type Rule = (items: readonly Item[]) => number;

/** Takes a share off everything, rounded in the shop's favour. */
export function percentOff(percent: number): Rule {
  if (percent < 0 || percent > 100) throw new RangeError(`not a share: ${percent} %`);
  return (items) => Math.floor((sum(items) * percent) / 100);
}

/** Lets somebody who takes `x` of an item pay for `y`, as often as it fits. */
export function buyXPayY(sku: string, x: number, y: number): Rule {
  if (y >= x) throw new RangeError(`no offer: ${x} for ${y}`);
  return (items) => {
    const item = items.find((i) => i.sku === sku);
    return item ? Math.floor(item.quantity / x) * (x - y) * item.cents : 0;
  };
}

/** What is to be paid: never less than nothing. */
export function total(items: readonly Item[], rules: readonly Rule[] = []): number {
  const off = rules.reduce((all, rule) => all + rule(items), 0);
  return Math.max(0, sum(items) - off);
}

function sum(items: readonly Item[]): number {
  return items.reduce((all, item) => all + item.cents * item.quantity, 0);
}
