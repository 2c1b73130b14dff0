import { buyXPayY, percentOff, total } from './price.js';

const basket = [
  { sku: 'tea', cents: 450, quantity: 7 },
  { sku: 'cup', cents: 999, quantity: 1 },
];

describe('total', () => {
  test('adds up what is in the basket', () => {
    expect(total(basket)).toBe(4149);
  });

  test('takes ten percent off, rounded down', () => {
    expect(total(basket, [percentOff(10)])).toBe(4149 - 414);
  });

  test('gives three teas for the price of two, twice', () => {
    expect(total(basket, [buyXPayY('tea', 3, 2)])).toBe(4149 - 900);
  });

  test('knows offers of things that are not in the basket', () => {
    expect(total(basket, [buyXPayY('pot', 3, 2)])).toBe(4149);
  });

  test('is never less than nothing', () => {
    expect(total(basket, [percentOff(80), percentOff(80)])).toBe(0);
  });

  test('refuses offers that are none', () => {
    expect(() => percentOff(120)).toThrow(RangeError);
    expect(() => buyXPayY('tea', 2, 2)).toThrow(RangeError);
  });
});
