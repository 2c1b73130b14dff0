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

  test('says what it could not read', async () => {
    expect(await get('/total?tea=free')).toEqual({ status: 400, body: { error: 'not an amount: "free"' } });
  });

  test('knows no other pages', async () => {
    expect((await get('/')).status).toBe(404);
  });
});
