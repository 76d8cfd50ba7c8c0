/**
 * What is measured: the API as a process of its own carries it, or, for the floor, a bare Fastify route with one trivial statement of a
 * pooled connection. Told by its parent which, and asked how much processor time it has used.
 */
import { createWriteStream } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import pg from 'pg';
import { connectors } from '../connectors/registry.ts';
import { parseConfig } from '../src/config.ts';
import { openDaemon } from '../src/daemon.ts';
import { openInstall } from '../src/install.ts';
import { openLogger } from '../src/log.ts';
import { createKey } from '../src/tenancy/apiKeys.ts';
import { createPrincipal, ensureOperator } from '../src/tenancy/principals.ts';

export type Order = { readonly serve: 'api' | 'floor'; readonly url: string; readonly secretKey: string };
/** `key` opens everything: it is an application's at the root. */
export type Serving = { readonly url: string; readonly key: string };

process.once('message', async (order: Order) => {
  const { serving, close } = order.serve === 'api' ? await serveApi(order) : await serveFloor(order);
  process.on('message', async (asked: 'usage' | 'stop') => {
    if (asked === 'usage') process.send?.(process.cpuUsage());
    if (asked === 'stop') {
      await close();
      process.disconnect();
    }
  });
  process.send?.(serving);
});

async function serveApi({ url, secretKey }: Order) {
  const config = parseConfig({ DATABASE_URL: url, ROLLCALL_SECRET_KEY: secretKey, ROLLCALL_PORT: '0' });
  const install = await openInstall(config, openLogger('info', createWriteStream('/dev/null')), connectors);
  const operator = await ensureOperator(install.deps, 'bench');
  const name = `bench ${process.pid}`;
  const { id } = await createPrincipal(install.deps, operator, { name, role: 'application' });
  const { key } = await createKey(install.deps, operator, { principal: id });
  const daemon = await openDaemon(config, install, 'api');
  return { serving: { url: daemon.url ?? '', key } satisfies Serving, close: () => daemon.close() };
}

async function serveFloor({ url }: Order) {
  const pool = new pg.Pool({ connectionString: url, max: 20 });
  const app = fastify({ logger: false });
  app.get('/v1/users/:user/authorization', async () => {
    const { rows } = await pool.query({ name: 'floor', text: 'SELECT 1 AS one' });
    return { rows };
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    serving: { url: `http://127.0.0.1:${port}`, key: '' } satisfies Serving,
    close: async () => {
      await app.close();
      await pool.end();
    },
  };
}
