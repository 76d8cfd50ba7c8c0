/** Whom the addresses of the audit log mean. An address is not identity: it may have been given on, so that all its bearers count. */

import type { ExternalId } from '../../src/domain/ids.ts';
import { abreast } from '../abreast.ts';
import { ConnectorError } from '../contract.ts';
import { Identified } from '../unreadable.ts';
import type { Account } from './account.ts';
import { Addressed, Group } from './schema.ts';

/** Users by address, as asked for: whoever bears it, and who of the deleted did. None: Google knows nobody of that address. */
export async function bearersOf(
  account: Account,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly ExternalId[]>> {
  if (addresses.length === 0) return new Map();
  const deleted = await deletedByAddress(account, signal);
  const found = await abreast(addresses, async (address) => {
    const living = await bearerOf(account, address, signal);
    const gone = deleted.get(address.toLowerCase()) ?? [];
    return [address, living === null ? gone : [living, ...gone]] as const;
  });
  return new Map(found);
}

async function bearerOf({ api, directory }: Account, address: string, signal: AbortSignal) {
  const found = await orNotOurs(
    api.find({ subject: 'users', signal }, Identified, (options) =>
      directory.users.get({ userKey: address, fields: 'id' }, options),
    ),
  );
  return found?.id ?? null;
}

/** Addresses in small letters. */
async function deletedByAddress({ lists, directory, customer }: Account, signal: AbortSignal) {
  const { objects } = await lists.all({ list: 'users', isStart: true, signal }, (common, options) =>
    directory.users.list({ customer, showDeleted: 'true', ...common }, options),
  );
  const found = new Map<string, ExternalId[]>();
  for (const object of objects) {
    const { data } = Addressed.safeParse(object);
    for (const address of data ? [data.primaryEmail ?? '', ...data.aliases] : []) {
      const key = address.toLowerCase();
      found.set(key, [...(found.get(key) ?? []), ...(data ? [data.id] : [])]);
    }
  }
  return found;
}

/**
 * The group of that address and every group around it: who is in the one is in the others. null where Google knows no such group,
 * or does not say what is around it.
 */
export async function groupsAround(
  { api, lists, directory }: Account,
  address: string,
  signal: AbortSignal,
): Promise<readonly ExternalId[] | null> {
  const asked = { subject: 'groups', signal } as const;
  const innermost = await orNotOurs(
    api.find(asked, Group, (options) =>
      directory.groups.get({ groupKey: address, fields: 'id,email' }, options),
    ),
  );
  if (innermost === null) return null;
  const found = new Map([[innermost.id, innermost.email ?? address]]);
  for (const [, userKey] of found) {
    const around = await orNotOurs(
      lists.all({ list: 'groups', isStart: false, signal }, (common, options) =>
        directory.groups.list({ userKey, ...common }, options),
      ),
    );
    if (around === null) return null;
    for (const object of around.objects) {
      const { data } = Group.safeParse(object);
      if (!data?.email) return null;
      if (!found.has(data.id)) found.set(data.id, data.email);
    }
  }
  return [...found.keys()];
}

/** Google refuses addresses of other companies as forbidden. Nobody is called gone for it: whoever is not found, a full pull finds. */
async function orNotOurs<T>(asking: Promise<T>): Promise<T | null> {
  try {
    return await asking;
  } catch (error) {
    const kind = error instanceof ConnectorError ? error.failure.kind : null;
    if (kind === 'permission-missing' || kind === 'not-found') return null;
    throw error;
  }
}
