import type { AddressInfo } from 'node:net';
import { createShop } from './server.js';

describe('the shop', () => {
  const shop = createShop('test');
  let base: string;

  beforeAll((done) => {
    shop.listen(0, '127.0.0.1', () => {
      base = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`;
      done();
    });
  });
  afterAll((done) => {
    shop.close(done);
  });

  async function get(path: string) {
    const response = await fetch(base + path);
    return { status: response.status, body: await response.json() };
  }

  test('is healthy', async () => {
    expect(await get('/health')).toEqual({ status: 200, body: { ok: true, version: 'test' } });
  });

  test('prices a basket with its offers', async () => {
    expect(await get('/total?tea=4.50x3&cup=9.99x1')).toEqual({ status: 200, body: { total: '18.99' } });
  });

  test.each([
    ['tea=free', 'not an amount: "free"'],
    ['tea=4.50xten', 'not a quantity: "ten"'],
    ['tea=4.50x-3', 'not a quantity: "-3"'],
    ['tea=4.50x', 'not a quantity: ""'],
  ])('says what it could not read in %s', async (query, error) => {
    expect(await get(`/total?${query}`)).toEqual({ status: 400, body: { error } });
  });

  test('knows no other pages', async () => {
    expect((await get('/')).status).toBe(404);
  });
});
