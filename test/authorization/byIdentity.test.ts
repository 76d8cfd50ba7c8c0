import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { v7 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { findByIdentity } from '../../src/authorization/byIdentity.ts';
import type { AuthUserId, ConnectionId, ExternalId, TenantId } from '../../src/domain/ids.ts';
import { createConnection, updateConnection } from '../../src/tenancy/connections.ts';
import { asOwner } from '../support/database.ts';
import { aCaller, aTenancy, aTenant, aUser } from '../support/tenancy.ts';

const { database: fresh, deps, operator } = await aTenancy();
const application = await aCaller(deps, fresh.store.root, 'application');
const tenant = await aTenant(deps);
const administrator = await aCaller(deps, tenant);

const DIRECTORY = '7B2F6E6C-2B4E-4A43-9B61-0D1B2C3D4E5F';
const ISSUER = `https://login.microsoftonline.com/${DIRECTORY.toLowerCase()}/v2.0`;
const entra = (more: object = {}) => ({
  name: `connection ${v7()}`,
  provider: 'entra' as const,
  settings: { directoryId: DIRECTORY, clientId: '11111111-2222-4333-8444-555555555555' },
  credentials: { kind: 'secret', clientSecret: 'made up' },
  ...more,
});
const okta = (orgUrl: string) => ({
  name: `connection ${v7()}`,
  provider: 'okta' as const,
  settings: { orgUrl },
  credentials: { kind: 'api-token', token: '00made-up' },
});

/** A user whom this connection's directory has. */
async function linked(connection: ConnectionId, at: TenantId, state: 'active' | 'deleted' = 'active') {
  const user = await aUser(fresh.url, at, { connection, state });
  return { user, id: `external-${user}` as ExternalId };
}

async function also(connection: ConnectionId, at: TenantId, { user, id }: { user: AuthUserId; id: string }) {
  await asOwner(fresh.url, (client) =>
    client.query(
      `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version)
       VALUES ($1, $2, $3, $4, '\\x00', 1)`,
      [connection, id, at, user],
    ),
  );
}

describe('the issuer of a connection', () => {
  it('follows from the settings: of Entra ID by cloud, of Okta the org, of Google the one there is', async () => {
    const issuerOf = async (input: Parameters<typeof createConnection>[2]) =>
      (await createConnection(deps, administrator, input)).issuer;
    expect(await issuerOf(entra())).toBe(ISSUER);
    const settings = { directoryId: DIRECTORY, clientId: entra().settings.clientId };
    expect(await issuerOf(entra({ settings: { ...settings, cloud: 'us-gov' } }))).toBe(
      ISSUER.replace('.com', '.us'),
    );
    expect(await issuerOf(entra({ settings: { ...settings, cloud: 'china' } }))).toBe(
      ISSUER.replace('login.microsoftonline.com', 'login.partner.microsoftonline.cn'),
    );
    expect(await issuerOf(entra({ settings: { ...settings, directoryId: 'harbor.example' } }))).toBe(null);
    expect(await issuerOf(okta('https://harbor.okta.com'))).toBe('https://harbor.okta.com');
    expect(connectors.entra.idClaimOf?.(ISSUER)).toEqual({ claim: 'oid', scope: 'profile' });
    expect(connectors.entra.idClaimOf?.('https://harbor.okta.com')).toBe(null);
    expect(connectors.google.issuerOf?.({})).toBe('https://accounts.google.com');
  });

  it('of connections that were stored before is what it would be of new ones', async () => {
    const settings = entra().settings;
    const stored = [
      await createConnection(deps, administrator, entra({ settings: { ...settings, cloud: 'us-dod' } })),
      await createConnection(deps, administrator, entra({ settings: { ...settings, cloud: 'china' } })),
      await createConnection(
        deps,
        administrator,
        entra({ settings: { ...settings, directoryId: 'a.example' } }),
      ),
      await createConnection(deps, administrator, entra({ network: { baseUrl: 'https://graph.example' } })),
      await createConnection(deps, administrator, entra()),
      await createConnection(deps, administrator, okta('https://before.okta.com')),
    ];
    const folder = new URL('../../prisma/migrations/', import.meta.url);
    const statements = ['20261122095000_authorization_reads', '20261122095100_authorization_facts'].flatMap(
      (name) => {
        const text = readFileSync(new URL(`${name}/migration.sql`, folder), 'utf8');
        return text.match(/^UPDATE connection SET issuer[\s\S]*?;/m) ?? [];
      },
    );
    expect(statements).toHaveLength(2);
    const ids = stored.map(({ id }) => id);
    const rows = await asOwner(fresh.url, async (client) => {
      await client.query('UPDATE connection SET issuer = NULL WHERE id = ANY ($1)', [ids]);
      for (const statement of statements) await client.query(statement);
      return (await client.query('SELECT id, issuer FROM connection WHERE id = ANY ($1)', [ids])).rows;
    });
    expect(Object.fromEntries(rows.map(({ id, issuer }) => [id, issuer]))).toEqual(
      Object.fromEntries(stored.map(({ id, issuer }) => [id, issuer])),
    );
  });

  it('is not known where the answers may come from somebody else than the provider', async () => {
    const network = { baseUrl: 'https://graph.elsewhere.example' };
    const { id, issuer } = await createConnection(deps, administrator, entra({ network }));
    expect(issuer).toBe(null);
    const { credentials } = entra();
    const changed = { connection: id, network: { baseUrl: null }, credentials };
    expect((await updateConnection(deps, administrator, changed)).issuer).toBe(null);
    const asSettings = { connection: id, issuer: null };
    expect((await updateConnection(deps, administrator, asSettings)).issuer).toBe(null);
    expect((await updateConnection(deps, operator, asSettings)).issuer).toBe(ISSUER);
    const back = { connection: id, network, credentials };
    expect((await updateConnection(deps, operator, back)).issuer).toBe(null);
  });

  const { credentials: oktaToken, ...oktaOrg } = okta('https://victim.okta.com');
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const google = {
    provider: 'google' as const,
    settings: { adminEmail: 'admin@victim.example' },
    issuer: 'https://accounts.google.com',
    credentials: { kind: 'service-account', clientEmail: 'reader@victim.example', privateKey },
  };
  const detours = [
    {
      by: 'with another address, of Okta',
      real: { ...oktaOrg, issuer: 'https://victim.okta.com', credentials: oktaToken },
      detour: { network: { baseUrl: 'https://evil.example' } },
    },
    {
      by: 'of another org, of Okta',
      real: { ...oktaOrg, issuer: 'https://victim.okta.com', credentials: oktaToken },
      detour: { settings: { orgUrl: 'https://evil.example' } },
    },
    {
      by: 'with a certificate authority, of Entra ID',
      real: { ...entra(), issuer: ISSUER },
      detour: { network: { ca: rootCertificates[0] ?? '' } },
    },
    {
      by: 'of another directory, of Entra ID',
      real: { ...entra(), issuer: ISSUER },
      detour: { settings: { ...entra().settings, directoryId: DIRECTORY.replace('7B', '8C') } },
    },
    {
      by: 'with another address, of Google',
      real: google,
      detour: { network: { baseUrl: 'https://evil.example' } },
    },
    {
      by: 'with another address and customer, of Google',
      real: google,
      detour: {
        network: { baseUrl: 'https://evil.example' },
        settings: { ...google.settings, customer: 'C0evil' },
      },
    },
  ];
  it.each(detours)('is not known of users that were read before: $by', async ({ real, detour }) => {
    const { issuer, ...input } = real;
    const { settings, credentials } = input;
    const name = () => `connection ${v7()}`;
    const direct = { settings, network: {}, credentials };
    const evil = await createConnection(deps, administrator, { ...input, ...detour, name: name() });
    const planted = await linked(evil.id, tenant);
    const whom = { issuer, subject: planted.id };
    const toReal = { connection: evil.id, ...direct };
    expect((await updateConnection(deps, administrator, toReal)).issuer).toBe(null);
    const unlike = { code: 'not-found' };
    await expect(findByIdentity(deps, application, whom)).rejects.toMatchObject(unlike);

    const victims = await aTenant(deps);
    const good = await createConnection(deps, operator, { ...input, tenant: victims, name: name() });
    expect(good.issuer).toBe(issuer);
    const victim = await aUser(fresh.url, victims);
    await also(good.id, victims, { user: victim, id: planted.id });
    expect(await findByIdentity(deps, application, whom)).toMatchObject({ id: victim });

    // There and back, from what was known: whom it read on the way is among its users.
    const away = { connection: good.id, credentials, ...detour };
    expect((await updateConnection(deps, operator, away)).issuer).not.toBe(issuer);
    const back = { connection: good.id, ...direct };
    expect((await updateConnection(deps, operator, back)).issuer).toBe(null);
  });

  it('stays where other settings read the same directory', async () => {
    const { id } = await createConnection(deps, administrator, entra());
    const { settings, credentials } = entra();
    const changed = { connection: id, settings: { ...settings, extensions: [] }, credentials };
    expect((await updateConnection(deps, administrator, changed)).issuer).toBe(ISSUER);
    const elsewhere = { ...settings, clientId: '99999999-2222-4333-8444-555555555555' };
    const other = { connection: id, settings: elsewhere, credentials };
    expect((await updateConnection(deps, administrator, other)).issuer).toBe(ISSUER);
  });

  it('of connections whose access was changed before is not known, unless it was said', async () => {
    const made = [
      await createConnection(deps, administrator, okta('https://rotated.okta.com')),
      await createConnection(deps, administrator, entra()),
      await createConnection(deps, operator, {
        ...okta('https://said.okta.com'),
        tenant,
        issuer: 'https://said.okta.com/oauth2/default',
      }),
      await createConnection(deps, administrator, okta('https://untouched.okta.com')),
    ];
    const ids = made.map(({ id }) => id);
    const text = readFileSync(
      new URL('../../prisma/migrations/20261122095100_issuers/migration.sql', import.meta.url),
      'utf8',
    );
    const rows = await asOwner(fresh.url, async (client) => {
      await client.query('UPDATE connection SET access_version = 2 WHERE id = ANY ($1)', [ids.slice(0, 3)]);
      await client.query(text);
      return (await client.query('SELECT issuer FROM connection WHERE id = ANY ($1) ORDER BY id', [ids]))
        .rows;
    });
    expect(rows.map(({ issuer }) => issuer)).toEqual([
      null,
      null,
      'https://said.okta.com/oauth2/default',
      'https://untouched.okta.com',
    ]);
  });

  it('is said by the system alone, and counts for the directory that it was said of', async () => {
    const issuer = 'https://harbor.okta.com/oauth2/default';
    const wanted = { ...okta('https://harbor.okta.com'), issuer };
    await expect(createConnection(deps, administrator, wanted)).rejects.toMatchObject({ code: 'forbidden' });
    const { id } = await createConnection(deps, operator, { ...wanted, tenant });
    const renamed = { connection: id, name: `renamed ${v7()}`, issuer };
    expect((await updateConnection(deps, administrator, renamed)).issuer).toBe(issuer);
    await expect(
      updateConnection(deps, administrator, { connection: id, issuer: ISSUER }),
    ).rejects.toMatchObject({ code: 'forbidden' });
    const { settings, credentials } = okta('https://other.okta.com');
    const moved = await updateConnection(deps, administrator, { connection: id, settings, credentials });
    expect(moved.issuer).toBe(null);
    await updateConnection(deps, operator, { connection: id, issuer });
    const unsaid = await updateConnection(deps, administrator, { connection: id, issuer: null });
    expect(unsaid.issuer).toBe(null);
    const asSettings = await updateConnection(deps, operator, { connection: id, issuer: null });
    expect(asSettings.issuer).toBe('https://other.okta.com');
  });
});

describe('an auth user', () => {
  it('is found by issuer and subject, and by provider and external id, with identities and roles', async () => {
    const connection = await createConnection(deps, administrator, okta('https://found.okta.com'));
    const { user, id } = await linked(connection.id, tenant);
    for (const query of [
      { issuer: 'https://found.okta.com', subject: id },
      { provider: 'okta' as const, externalId: id },
      { provider: 'okta' as const, externalId: id, connection: connection.id },
    ])
      expect(await findByIdentity(deps, application, query)).toMatchObject({
        id: user,
        identities: [{ connection: connection.id, externalId: id }],
      });
    for (const query of [
      { issuer: 'https://other.okta.com', subject: id },
      { issuer: 'https://found.okta.com', subject: 'somebody' as ExternalId },
      { provider: 'google' as const, externalId: id },
    ])
      await expect(findByIdentity(deps, application, query)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('of another tenant is not found', async () => {
    const connection = await createConnection(deps, administrator, okta('https://ours.okta.com'));
    const { id } = await linked(connection.id, tenant);
    const stranger = await aCaller(deps, await aTenant(deps), 'application');
    const query = { issuer: 'https://ours.okta.com', subject: id };
    await expect(findByIdentity(deps, stranger, query)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is not guessed at where several have the identity: the connection says who is meant', async () => {
    const [one, other] = [
      await createConnection(deps, administrator, okta('https://twice.okta.com')),
      await createConnection(deps, administrator, okta('https://twice.okta.com')),
    ];
    const first = await linked(one.id, tenant);
    const second = await aUser(fresh.url, tenant);
    await also(other.id, tenant, { user: second, id: first.id });
    const query = { issuer: 'https://twice.okta.com', subject: first.id };
    await expect(findByIdentity(deps, application, query)).rejects.toMatchObject({
      code: 'ambiguous',
      remedy: expect.stringContaining(other.id),
    });
    const named = await findByIdentity(deps, application, { ...query, connection: other.id });
    expect(named.id).toBe(second);
  });

  it('is one where two connections have the same user, and where another with the identity is deleted', async () => {
    const [one, other] = [
      await createConnection(deps, administrator, okta('https://once.okta.com')),
      await createConnection(deps, administrator, okta('https://once.okta.com')),
    ];
    const present = await linked(one.id, tenant);
    await also(other.id, tenant, present);
    const query = { issuer: 'https://once.okta.com', subject: present.id };
    expect((await findByIdentity(deps, application, query)).id).toBe(present.user);
    const third = await createConnection(deps, administrator, okta('https://once.okta.com'));
    const gone = await aUser(fresh.url, tenant, { state: 'deleted' });
    await also(third.id, tenant, { user: gone, id: present.id });
    expect((await findByIdentity(deps, application, query)).id).toBe(present.user);
    const byThird = await findByIdentity(deps, application, { ...query, connection: third.id });
    expect(byThird).toMatchObject({ id: gone, state: 'deleted' });
  });

  it('is asked for in one of the two ways, whole', async () => {
    for (const query of [
      {},
      { issuer: ISSUER },
      { subject: 'x' as ExternalId },
      { provider: 'okta' as const, subject: 'x' as ExternalId },
      {
        issuer: ISSUER,
        subject: 'x' as ExternalId,
        provider: 'okta' as const,
        externalId: 'x' as ExternalId,
      },
    ])
      await expect(findByIdentity(deps, application, query)).rejects.toMatchObject({ code: 'invalid-input' });
  });
});
