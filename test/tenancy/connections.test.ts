import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionId } from '../../src/domain/ids.ts';
import { openStore } from '../../src/store/store.ts';
import {
  createConnection,
  findConnection,
  getConnection,
  listConnections,
  openStoredConnector,
  testConnection,
  updateConnection,
} from '../../src/tenancy/connections.ts';
import { createRole, listRoles } from '../../src/tenancy/roles.ts';
import { asOwner } from '../support/database.ts';
import { aCaller, aTenancy, aTenant, auditOf, unknownId } from '../support/tenancy.ts';

const TOKEN = '00-very-secret-token';

const { database, deps, operator } = await aTenancy();
const tenant = await aTenant(deps);
const admin = await aCaller(deps, tenant);

const okta = (name: string) => ({
  name,
  provider: 'okta' as const,
  settings: { orgUrl: 'https://acme.okta.com' },
  credentials: { kind: 'api-token', token: TOKEN },
});

/** What a caller hears. */
const refusal = (attempt: Promise<unknown>) =>
  attempt.then(
    () => ({ code: 'answered', message: '', remedy: '', fields: [] }),
    ({ code, message, remedy, fields }) => ({ code, message, remedy, fields }),
  );

/** Everything that the database holds about connections, also as text. */
const dump = () =>
  asOwner(database.url, async (client) => {
    const { rows } = await client.query(
      `SELECT row_to_json(c)::text AS json, encode(credentials, 'escape') AS plain FROM connection c`,
    );
    return JSON.stringify([rows, await auditOf(database.url, tenant)]);
  });

describe('createConnection', () => {
  it('stores what was entered, with defaults for the rest, and never shows the credentials', async () => {
    const made = await createConnection(deps, admin, okta('Main'));
    expect(made).toMatchObject({
      tenant,
      name: 'Main',
      provider: 'okta',
      settings: { orgUrl: 'https://acme.okta.com' },
      network: { baseUrl: null, ca: null, proxy: null },
      mapping: { roles: [], everyone: [] },
      schedule: null,
      timeZone: 'UTC',
      state: 'active',
      version: 1,
    });
    const { newRoles, ...asStored } = made;
    expect(newRoles).toEqual([]);
    expect(await getConnection(deps, admin, made.id)).toEqual(asStored);
    expect(await findConnection(deps, admin, 'Main')).toEqual(asStored);
    expect(JSON.stringify(await listConnections(deps, admin))).not.toContain(TOKEN);
    expect((await auditOf(database.url, tenant)).at(-1)).toMatchObject({
      action: 'connection.created',
      subject: { kind: 'connection', id: made.id },
    });
  });

  it('keeps no secret readable, not the login of a proxy either, and opens the connector with both', async () => {
    const proxy = 'http://proxy-user:proxy-secret@127.0.0.1:3128';
    const made = await createConnection(deps, admin, { ...okta('Proxied'), network: { proxy } });
    expect(made.network.proxy).toBe('http://127.0.0.1:3128/');
    const stored = await dump();
    for (const secret of [TOKEN, 'proxy-secret', 'proxy-user']) expect(stored).not.toContain(secret);
    const opened = await deps.store.connections.open(deps.store.root, made.id);
    expect(opened).toMatchObject({
      credentials: { kind: 'api-token', token: TOKEN },
      network: { proxy: 'http://proxy-user:proxy-secret@127.0.0.1:3128/' },
    });
    const { connection, connector } = await openStoredConnector(deps, made.id);
    const { health: _, overrides: __, newRoles: ___, ...asStored } = made;
    expect([connection, connector.provider]).toEqual([asStored, 'okta']);
    await connector.close();
  });
});

describe('bad input for a connection', () => {
  it.each([
    [{ provider: 'abacus' }, ['provider']],
    [{ provider: undefined }, ['provider']],
    [{ settings: {} }, ['settings.orgUrl']],
    [{ settings: undefined }, ['settings']],
    [{ credentials: { kind: 'api-token' } }, ['credentials.token']],
    [{ credentials: { kind: TOKEN } }, ['credentials.kind']],
    [{ credentials: TOKEN }, ['credentials']],
    [{ network: { baseUrl: 'http://plain.example' } }, ['network.baseUrl']],
    [{ network: { ca: 'no certificate' } }, ['network.ca']],
    [{ network: { baseURL: 'https://example.com' } }, ['network.baseURL']],
    [{ mapping: { roles: [{ group: 'Staff' }] } }, ['mapping.roles.0.role']],
    [{ policy: { guards: { deletedPercent: 101 } } }, ['policy.guards.deletedPercent']],
    [{ schedule: 'every day' }, ['schedule']],
    [{ schedule: '99 * * * *' }, ['schedule']],
    [{ schedule: '* * * * * *' }, ['schedule']],
    [{ timeZone: 'Mars/Olympus' }, ['timeZone']],
    [{ timeZone: '+02:00' }, ['timeZone']],
    [{ name: '', timeZone: 'x' }, ['name', 'timeZone']],
    [{ nmae: 'typo' }, ['nmae']],
  ])('refuses %j, naming the field and no secret', async (wrong, paths) => {
    const said = await refusal(createConnection(deps, admin, { ...okta('Wrong'), ...wrong } as never));
    expect(said.code).toBe('invalid-input');
    expect(said.fields.map(({ path }: { path: string }) => path)).toEqual(paths);
    for (const path of paths) expect(said.remedy).toContain(path);
    expect(JSON.stringify(said)).not.toContain(TOKEN);
    await expect(findConnection(deps, admin, 'Wrong')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('says that a field is missing when it is', async () => {
    const said = await refusal(createConnection(deps, admin, { ...okta('Missing'), settings: {} }));
    expect(said.message).toContain('settings.orgUrl: ');
    const nothing = await refusal(createConnection(deps, admin, { ...okta('Missing'), settings: undefined }));
    expect(nothing.message).toContain('settings: is missing');
  });

  it('refuses an issuer that is no issuer, as of a sign-in provider', async () => {
    for (const issuer of ['http://a.okta.com', 'https://a.okta.com?x=1', 'https://me:pass@a.okta.com'])
      expect(await refusal(createConnection(deps, operator, { ...okta('No issuer'), issuer }))).toMatchObject(
        {
          code: 'invalid-input',
          fields: [{ path: 'issuer' }],
        },
      );
  });

  it('refuses what the connector could not be opened with, before anything is stored', async () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const credentials = { kind: 'private-key', privateKey, keyId: 'k1' };
    const said = await refusal(createConnection(deps, admin, { ...okta('Unopenable'), credentials }));
    expect(said).toMatchObject({ code: 'invalid-input' });
    expect(said.message).toContain('settings.clientId');
    expect(JSON.stringify(said)).not.toContain('PRIVATE KEY');
    await expect(findConnection(deps, admin, 'Unopenable')).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('names within a connection', () => {
  it('of the connection itself: one that the tenant has already is refused', async () => {
    await createConnection(deps, admin, okta('Twice'));
    await expect(createConnection(deps, admin, okta('Twice'))).rejects.toMatchObject({ code: 'name-taken' });
  });

  it('of roles: missing ones are made when an operator enters them', async () => {
    const mapping = { roles: [{ group: 'Editors', role: 'editor' }], everyone: ['member', 'editor'] };
    const { id, newRoles } = await createConnection(deps, operator, {
      ...okta('With roles'),
      tenant,
      mapping,
    });
    expect(newRoles).toEqual([
      { role: 'editor', similar: [] },
      { role: 'member', similar: [] },
    ]);
    const names = (await listRoles(deps, operator)).items.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['editor', 'member']));
    const made = (await auditOf(database.url, deps.store.root)).filter((e) => e.action === 'role.created');
    expect(made.map(({ details }) => details['name']).sort()).toEqual(['editor', 'member']);
    const again = await updateConnection(deps, operator, {
      connection: id,
      mapping: { ...mapping, everyone: ['membr', 'editor'] },
    });
    expect(again.newRoles).toEqual([{ role: 'membr', similar: ['member'] }]);
  });

  it('of roles: a tenant cannot make any up, because all other tenants would see them', async () => {
    await createRole(deps, operator, { name: 'known' });
    const mapping = { everyone: ['known', 'secret project'] };
    const said = await refusal(createConnection(deps, admin, { ...okta('Making up'), mapping }));
    expect(said).toMatchObject({ code: 'invalid-input', fields: [{ path: 'mapping.everyone.1' }] });
    expect(said.message).toContain('secret project');
    const names = (await listRoles(deps, admin)).items.map(({ name }) => name);
    expect(names).not.toContain('secret project');
  });
});

describe('updateConnection', () => {
  let connection: Awaited<ReturnType<typeof createConnection>>;
  beforeAll(async () => {
    connection = await createConnection(deps, admin, okta('Changing'));
  });

  it('replaces what is given, keeps the rest, and records which fields', async () => {
    const change = {
      connection: connection.id,
      schedule: '*/30 * * * *',
      timeZone: 'Europe/Rome',
      name: 'Changing',
    };
    const after = await updateConnection(deps, admin, change);
    const nextScheduledAt = expect.any(Date); // its own moment within five minutes of the schedule's
    expect(after.health.nextScheduledAt?.toISOString()).toMatch(/^2026-05-01T09:(0[0-4]|3[0-4])/);
    const health = { ...connection.health, nextScheduledAt };
    const changed = { schedule: '*/30 * * * *', timeZone: 'Europe/Rome', version: 2, health };
    expect(after).toEqual({ ...connection, ...changed });
    expect((await auditOf(database.url, tenant)).at(-1)).toMatchObject({
      action: 'connection.updated',
      details: { fields: ['schedule', 'timeZone'] },
    });
    connection = after;
  });

  it('changes nothing, not even the version, when all is as it was', async () => {
    const entries = (await auditOf(database.url, tenant)).length;
    const same = { settings: { orgUrl: 'https://acme.okta.com/' }, schedule: '*/30 * * * *', network: {} };
    expect(await updateConnection(deps, admin, { connection: connection.id, ...same })).toEqual(connection);
    expect(await auditOf(database.url, tenant)).toHaveLength(entries);
  });

  it('records the limits of the guards before and after', async () => {
    const policy = { guards: { deletedPercent: 50 } };
    connection = await updateConnection(deps, admin, { connection: connection.id, policy });
    expect((await auditOf(database.url, tenant)).at(-1)?.details).toMatchObject({
      fields: ['policy'],
      guards: { before: { deletedPercent: 10 }, after: { deletedPercent: 50 } },
    });
  });

  it('records what becomes of people who may be one, and how they are matched, before and after', async () => {
    const policy = { samePerson: 'show' as const, matching: [] };
    connection = await updateConnection(deps, admin, { connection: connection.id, policy });
    expect((await auditOf(database.url, tenant)).at(-1)?.details).toMatchObject({
      samePerson: { before: 'hold', after: 'show' },
      matching: { before: [{ by: 'email', confidence: 'certain' }], after: [] },
    });
  });

  it('records whom the policy protects, without their addresses', async () => {
    const policy = { protected: { users: ['root@acme.example'], roles: ['owner'] } };
    connection = await updateConnection(deps, admin, { connection: connection.id, policy });
    const details = (await auditOf(database.url, tenant)).at(-1)?.details;
    expect(details).toMatchObject({
      protected: { before: { users: 0, roles: [] }, after: { users: 1, roles: ['owner'] } },
    });
    expect(JSON.stringify(details)).not.toContain('root@');
  });

  it.each([
    { settings: { orgUrl: 'https://collector.example' } },
    { network: { baseUrl: 'https://collector.example' } },
    { network: { proxy: 'http://collector.example:3128/' } },
  ])('does not send stored credentials elsewhere: %j', async (elsewhere) => {
    const change = { connection: connection.id, ...elsewhere };
    const said = await refusal(updateConnection(deps, admin, change));
    expect(said).toMatchObject({ code: 'invalid-input', fields: [{ path: 'credentials' }] });
    const { newRoles: _, ...asStored } = connection;
    expect(await getConnection(deps, admin, connection.id)).toEqual(asStored);
    const credentials = { kind: 'api-token', token: 'entered-again' };
    connection = await updateConnection(deps, admin, { ...change, credentials });
    expect(connection).toMatchObject(elsewhere);
    const opened = await deps.store.connections.open(deps.store.root, connection.id);
    expect(opened?.credentials).toEqual(credentials);
  });

  it('changes the share of the provider’s limits without asking for credentials, and hands it to the connector', async () => {
    const made = await createConnection(deps, admin, { ...okta('Paced'), network: { share: 0.25 } });
    expect(made.network).toEqual({ baseUrl: null, ca: null, proxy: null, share: 0.25 });
    const network = { ...made.network, share: 1 };
    const after = await updateConnection(deps, admin, { connection: made.id, network });
    expect(after).toMatchObject({ network: { share: 1 }, accessVersion: made.accessVersion });
    const opened = await deps.store.connections.open(deps.store.root, made.id);
    expect(opened?.network).toMatchObject({ share: 1 });
  });

  describe('the login of a proxy', () => {
    const credentials = { kind: 'api-token', token: TOKEN };
    const behind = async (name: string) => {
      const network = { proxy: 'http://u:p@127.0.0.1:3128' };
      return await createConnection(deps, admin, { ...okta(name), network });
    };
    const proxyOf = async (id: ConnectionId) =>
      (await deps.store.connections.open(deps.store.root, id))?.network.proxy;

    it('stays when the proxy is given again without it, however it is written', async () => {
      const { id, network: shown } = await behind('Keeping');
      const after = await updateConnection(deps, admin, { connection: id, network: shown, name: 'Kept' });
      expect(after.name).toBe('Kept');
      const unslashed = { proxy: 'http://127.0.0.1:3128' };
      const same = await updateConnection(deps, admin, { connection: id, network: unslashed });
      expect(same.version).toBe(after.version);
      expect(await proxyOf(id)).toBe('http://u:p@127.0.0.1:3128/');
    });

    it('stays when something else of the network changes', async () => {
      const { id, network } = await behind('Repaced');
      await updateConnection(deps, admin, { connection: id, network: { ...network, share: 0.2 } });
      expect(await proxyOf(id)).toBe('http://u:p@127.0.0.1:3128/');
      const baseUrl = 'https://mirror.example';
      await updateConnection(deps, admin, { connection: id, network: { ...network, baseUrl }, credentials });
      expect(await proxyOf(id)).toBe('http://u:p@127.0.0.1:3128/');
    });

    it('is replaced by another; goes with the proxy, and is not another proxy’s', async () => {
      const { id, network } = await behind('Moving');
      const given = { connection: id, credentials };
      await updateConnection(deps, admin, { ...given, network: { proxy: 'http://v:q@127.0.0.1:3128' } });
      expect(await proxyOf(id)).toBe('http://v:q@127.0.0.1:3128/');
      await updateConnection(deps, admin, { ...given, network: { proxy: 'http://127.0.0.1:3129' } });
      expect(await proxyOf(id)).toBe('http://127.0.0.1:3129/');
      await updateConnection(deps, admin, { ...given, network: { proxy: null } });
      await updateConnection(deps, admin, { ...given, network });
      expect(await proxyOf(id)).toBe('http://127.0.0.1:3128/');
    });
  });
});

describe('two updates of one connection', () => {
  it('are told apart by the version: the later one is refused', async () => {
    const connection = await createConnection(deps, admin, okta('Paused'));
    const change = { connection: connection.id, version: connection.version, state: 'paused' as const };
    const after = await updateConnection(deps, admin, change);
    expect(after.state).toBe('paused');
    const late = { ...change, state: 'active' as const };
    await expect(updateConnection(deps, admin, late)).rejects.toMatchObject({ code: 'changed-since-shown' });
  });

  it('at the same moment: exactly one wins', async () => {
    const { id, version } = await createConnection(deps, admin, okta('Contended'));
    const outcomes = await Promise.allSettled(
      ['0 1 * * *', '0 2 * * *'].map((schedule) =>
        updateConnection(deps, admin, { connection: id, version, schedule }),
      ),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const after = await getConnection(deps, admin, id);
    expect(after).toMatchObject({ version: version + 1 });
  });

  it('never change the provider', async () => {
    const { id } = await createConnection(deps, admin, okta('Stays'));
    const change = { connection: id, provider: 'entra' } as never;
    await expect(updateConnection(deps, admin, change)).rejects.toMatchObject({
      fields: [{ path: 'provider' }],
    });
  });
});

describe('a connection of another tenant', () => {
  it('is answered for like one that does not exist', async () => {
    const stranger = await aCaller(deps, await aTenant(deps));
    const { id } = await createConnection(deps, admin, okta('Foreign'));
    const said = (connection: string) => [
      refusal(getConnection(deps, stranger, connection)),
      refusal(findConnection(deps, stranger, connection)),
      refusal(updateConnection(deps, stranger, { connection, name: 'Mine' })),
      refusal(testConnection(deps, stranger, { connection }, AbortSignal.timeout(5_000)).next()),
    ];
    const aboutForeign = await Promise.all(said(id));
    expect(aboutForeign).toEqual(await Promise.all(said(unknownId())));
    expect(aboutForeign.map(({ code }) => code)).toEqual(Array(4).fill('not-found'));
    await expect(findConnection(deps, stranger, 'Foreign')).rejects.toMatchObject({ code: 'not-found' });
    await expect(listConnections(deps, stranger, { tenant })).rejects.toMatchObject({ code: 'not-found' });
    expect((await listConnections(deps, stranger)).items).toEqual([]);
    const into = createConnection(deps, stranger, { ...okta('Planted'), tenant });
    await expect(into).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('what roles may do', () => {
  it('lets reviewers and auditors read connections and not change them', async () => {
    const { id } = await createConnection(deps, admin, okta('Read only'));
    for (const role of ['reviewer', 'auditor'] as const) {
      const caller = await aCaller(deps, tenant, role);
      expect((await getConnection(deps, caller, id)).name).toBe('Read only');
      const forbidden = { code: 'forbidden' };
      await expect(createConnection(deps, caller, okta('No'))).rejects.toMatchObject(forbidden);
      await expect(updateConnection(deps, caller, { connection: id, name: 'No' })).rejects.toMatchObject(
        forbidden,
      );
    }
  });
});

describe('testConnection', () => {
  it('gives the steps that the connector tried, with who has to do what', async () => {
    const server = createServer((socket) => socket.destroy()); // speaks no TLS
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const network = { baseUrl: `https://127.0.0.1:${port}` };
    const { id } = await createConnection(deps, admin, { ...okta('Tried'), network });
    server.close();
    const steps = [];
    for await (const step of testConnection(deps, admin, { connection: id }, AbortSignal.timeout(30_000)))
      steps.push(step);
    expect(steps).toEqual([
      { step: 'reach', ok: false, detail: expect.any(String), remedy: expect.any(String) },
    ]);
    expect(JSON.stringify(steps)).not.toContain(TOKEN);
  });

  it('says that the secret key is the wrong one', async () => {
    const { id } = await createConnection(deps, admin, okta('Sealed'));
    const other = await openStore(database.url, Buffer.alloc(32, 7).toString('base64'));
    const steps = testConnection(
      { ...deps, store: other },
      admin,
      { connection: id },
      AbortSignal.timeout(5_000),
    );
    await expect(steps.next()).rejects.toMatchObject({ code: 'wrong-secret-key' });
    await other.close();
  });
});
