import { createServer, type Server } from 'node:http';
import { buyXPayY, format, parse, total } from '@sample/core';

const rules = [buyXPayY('tea', 3, 2)];

/** Answers GET /health, and GET /total?tea=4.50x3&cup=9.99x1 with the price of that basket. */
export function createShop(version: string): Server {
  return createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://shop');
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    };
    if (url.pathname === '/health') return answer(200, { ok: true, version });
    if (url.pathname !== '/total') return answer(404, { error: 'not found' });
    try {
      const items = [...url.searchParams].map(([sku, text]) => {
        const [price = '', quantity = '1'] = text.split('x');
        if (!/^[1-9]\d*$/.test(quantity)) throw new Error(`not a quantity: ${JSON.stringify(quantity)}`);
        return { sku, cents: parse(price), quantity: Number(quantity) };
      });
      return answer(200, { total: format(total(items, rules)) });
    } catch (error) {
      return answer(400, { error: (error as Error).message });
    }
  });
}
