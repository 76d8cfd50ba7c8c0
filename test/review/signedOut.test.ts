/** What becomes of the sessions of people who are active no more. */
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

async function settled(count: number): Promise<Connected> {
  const acme = await install.connect({ directory: aDirectory({ users: count }), guards: noGuards });
  await acme.syncAndApply();
  return acme;
}

const eventsOf = async (acme: Connected, externalId: string) => {
  const { id } = await acme.user(externalId);
  const events = await acme.events();
  return events
    .filter(({ authUser }) => authUser === id)
    .map(({ type, userVersion }) => `${userVersion} ${type}`);
};

/** A session of an administrator of this tenant who signs in there, with this issuer and as this subject. */
async function signedIn(
  tenant: TenantId,
  issuer: string,
  subject: string,
  externalId: string | null = null,
): Promise<string> {
  const { principal } = await aCaller(install, tenant);
  const [provider, session] = [v7(), v7()];
  await asOwner(install.database.url, async (client) => {
    await client.query(
      `INSERT INTO sign_in_provider (id, tenant_id, name, issuer, client_id) VALUES ($1, $2, $4, $3, 'c')`,
      [provider, tenant, issuer, provider],
    );
    await client.query(
      `INSERT INTO principal_login (provider_id, subject, tenant_id, principal_id, external_id) VALUES ($1, $2, $3, $4, $5)`,
      [provider, subject, tenant, principal, externalId],
    );
    await client.query(
      `INSERT INTO session (id, tenant_id, principal_id, secret_hash, method, expires_at)
       VALUES ($1, $2, $3, sha256($4), 'recovery', '2099-01-01')`,
      [session, tenant, principal, Buffer.from(session)],
    );
  });
  return session;
}

async function isOpen(session: string): Promise<boolean> {
  return await asOwner(install.database.url, async (client) => {
    const { rows } = await client.query('SELECT ended_at FROM session WHERE id = $1', [session]);
    return rows[0].ended_at === null;
  });
}

describe('Sessions', () => {
  it('are revoked once, with the suspension or the deletion, and not of somebody who was not active', async () => {
    const acme = await settled(3);
    acme.directory.edit('u1', { state: 'suspended' });
    acme.directory.remove('u2');
    acme.directory.edit('u3', { department: 'Engines' });
    await acme.syncAndApply();
    expect(await eventsOf(acme, 'u1')).toEqual([
      ...['1 user.created', '2 user.suspended', '2 user.sessions-revoked'],
    ]);
    acme.directory.remove('u1');
    acme.directory.add({ id: 'u2' });
    await acme.syncAndApply();
    expect(await eventsOf(acme, 'u1')).toEqual([
      ...['1 user.created', '2 user.suspended', '2 user.sessions-revoked', '3 user.deleted'],
    ]);
    expect(await eventsOf(acme, 'u2')).toEqual([
      ...['1 user.created', '2 user.deleted', '2 user.sessions-revoked', '3 user.reactivated'],
    ]);
    expect(await eventsOf(acme, 'u3')).toEqual(['1 user.created', '2 user.updated']);
  });

  it('of whoever administers Rollcall end too where they sign in as that very person, within the tenant alone', async () => {
    const acme = await settled(2);
    const issuer = `https://${v7()}.example`;
    await asOwner(install.database.url, (client) =>
      client.query('UPDATE connection SET issuer = $2 WHERE id = $1', [acme.connection, issuer]),
    );
    const own = await signedIn(acme.tenant, issuer, 'u1');
    const below = await signedIn(await install.tenant(acme.tenant), issuer, 'u1');
    const byObject = await signedIn(acme.tenant, issuer, 'pairwise', 'u1');
    const others = [
      await signedIn(acme.tenant, issuer, 'u1', 'u9'),
      await signedIn(await install.tenant(), issuer, 'pairwise', 'u1'),
      await signedIn(acme.tenant, issuer, 'u2'),
      await signedIn(acme.tenant, `${issuer}/other`, 'u1'),
      await signedIn(await install.tenant(), issuer, 'u1'),
    ];
    acme.directory.edit('u1', { state: 'suspended' });
    await acme.syncAndApply();
    expect([await isOpen(own), await isOpen(below), await isOpen(byObject)]).toEqual([false, false, false]);
    for (const session of others) expect(await isOpen(session)).toBe(true);
    const { id: user } = await acme.user('u1');
    const audit = await auditOf(install.database.url, acme.tenant);
    const ended = audit.filter(({ action }) => action === 'session.ended');
    expect(ended.map(({ subject }) => subject.id).sort()).toEqual([own, byObject].sort());
    expect(ended.find(({ subject }) => subject.id === own)).toMatchObject({
      actor: { kind: 'system' },
      action: 'session.ended',
      subject: { kind: 'session', id: own },
      details: { because: 'no-longer-active', user },
    });
    expect(await install.auditIsWhole()).toBe(true);
  });
});
