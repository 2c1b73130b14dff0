export { type Item, type Rule, buyXPayY, percentOff, total } from './price.js';
export { format, parse } from './money.js';
