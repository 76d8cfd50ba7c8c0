/** A database of its own for each test file, cloned from the migrated template of the whole run. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { openStore, type Store } from '../../src/store/store.ts';

export type FreshDatabase = {
  /** Of the owner. */
  readonly url: string;
  /** Fails when something is still connected: whoever opened it has to close it first. */
  drop(): Promise<void>;
};

export type FreshStore = FreshDatabase & { readonly store: Store; readonly secretKey: string };

/** An empty install: migrated, with nothing but the root tenant. `migrated: false` gives a database without any table. */
export async function freshDatabase({ migrated = true } = {}): Promise<FreshDatabase> {
  const { url, template } = inject('postgres');
  const name = `rollcall_test_${randomBytes(6).toString('hex')}`;
  await asOwner(url, (client) =>
    client.query(`CREATE DATABASE ${name} TEMPLATE ${migrated ? template : 'template0'}`),
  );
  return {
    url: databaseAt(url, name),
    drop: () => asOwner(url, (client) => client.query(`DROP DATABASE ${name}`)).then(() => {}),
  };
}

/** The same, opened. `drop` closes the store too. */
export async function freshStore(): Promise<FreshStore> {
  const database = await freshDatabase();
  const secretKey = randomBytes(32).toString('base64');
  const store = await openStore(database.url, secretKey);
  return {
    url: database.url,
    secretKey,
    store,
    drop: async () => {
      await store.close();
      await database.drop();
    },
  };
}

/** A connection that sees and may do everything: for what the store's face does not offer. */
export async function asOwner<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The URL of another database of the same server. */
export function databaseAt(url: string, name: string): string {
  const at = new URL(url);
  at.pathname = `/${name}`;
  return at.href;
}
