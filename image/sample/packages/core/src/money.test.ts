import { format, parse } from './money.js';

describe('money', () => {
  test.each([
    ['12', 1200],
    ['12.5', 1250],
    ['12.50', 1250],
    ['0.05', 5],
    [' 7.00 ', 700],
  ])('reads %s as %i cents', (text, cents) => {
    expect(parse(text)).toBe(cents);
  });

  test.each(['', '1,50', '1.234', '-3', 'ten'])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow('not an amount');
  });

  test.each([
    [1250, '12.50'],
    [5, '0.05'],
    [-700, '-7.00'],
  ])('writes %i cents as %s', (cents, text) => {
    expect(format(cents)).toBe(text);
  });
});
