import { createShop } from './server.js';

const port = Number(process.env.PORT ?? 8080);
const shop = createShop(process.env.GIT_SHA ?? 'unknown').listen(port, () => console.log(`listening on ${port}`));
process.on('SIGTERM', () => shop.close());
