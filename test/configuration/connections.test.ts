import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { diffConfiguration, loadConfiguration } from '../../src/configuration/configuration.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import { createConnection, listConnections, updateConnection } from '../../src/tenancy/connections.ts';
import { Configuring } from '../support/configuring.ts';
import { auditOf } from '../support/tenancy.ts';

const on = await Configuring.open();
/** A customer of each test's own. */
let name: string;
let customer: TenantId;

beforeEach(async () => {
  ({ name, customer } = await on.customer());
});

const okta = (more = '') =>
  `connections:
  - tenant: ${name}
    name: Okta
    provider: okta
    settings: {orgUrl: "https://acme.okta.example"}
    credentials: {kind: api-token, token: {env: TOKEN}}
    ${more}`;

describe('a connection that the file makes', () => {
  it('is paused from its first moment where the file says so: no run begins in between', async () => {
    await on.load(okta('state: paused'), on.operator, { 'env:TOKEN': 'first' });
    const [made] = (await listConnections(on.deps, on.operator, { tenant: customer })).items;
    expect(made).toMatchObject({ state: 'paused', version: 1 });
    const actions = (await auditOf(on.database.url, customer)).map(({ action }) => action);
    expect(actions.filter((action) => action.startsWith('connection.'))).toEqual(['connection.created']);
  });

  it('is refused beforehand where no connector can be made of its credentials, with their place', async () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const withKey = okta().replace(
      /credentials: .*/,
      'credentials: {kind: private-key, keyId: {env: ID}, privateKey: {env: KEY}}',
    );
    const secrets = { 'env:KEY': privateKey, 'env:ID': 'k1' };
    const refused = [
      expect.stringMatching(/^connections.0.credentials: line 6, column 18: .*settings.clientId/),
    ];
    expect(await on.refusal(withKey, on.operator, secrets)).toEqual(refused);
    await on.load(okta(), on.operator, { 'env:TOKEN': 'first' });
    expect(await on.refusal(withKey, on.operator, secrets)).toEqual(refused);
  });

  it('is refused with its place where somebody else makes one of its name at that very moment', async () => {
    const { okta: definition } = on.deps.connectors;
    const made = {
      name: 'Okta',
      provider: 'okta' as const,
      settings: { orgUrl: 'https://acme.okta.example' },
    };
    const other = { ...made, tenant: customer, credentials: { kind: 'api-token', token: 'another' } };
    let opened = 0;
    const open: typeof definition.open = (options) => {
      const connector = definition.open(options);
      const close = async () => {
        await connector.close();
        opened += 1; // for the difference, for the difference before loading, and as it is made
        if (opened === 3) await createConnection(on.deps, on.operator, other);
      };
      return { ...connector, close };
    };
    const deps = { ...on.deps, connectors: { ...on.deps.connectors, okta: { ...definition, open } } };
    const given = { configuration: okta(), secrets: { 'env:TOKEN': 'first' } };
    const { stamp } = await diffConfiguration(deps, on.operator, given);
    await expect(loadConfiguration(deps, on.operator, { ...given, stamp })).rejects.toMatchObject({
      code: 'name-taken',
      message: expect.stringContaining(
        'Loading stopped at connections.0 (line 2, column 5): Another connection',
      ),
    });
    expect(opened).toBe(3);
  });
});

describe('a connection behind a proxy', () => {
  const secrets = { 'env:TOKEN': 'first' };
  /** As somebody writes it, without the slash that it is stored with. */
  const behind = (more = '', proxy = 'http://proxy.example:3128') =>
    okta(`network: {proxy: "${proxy}"${more}}`).replace(/^ *credentials:.*\n/m, '');
  const stored = async () => {
    const [made] = (await listConnections(on.deps, on.operator, { tenant: customer })).items;
    if (made === undefined || made.state === 'unreadable') throw new Error('no connection was made');
    return made;
  };

  it('agrees with the file that it was made of', async () => {
    await on.load(okta('network: {proxy: "http://proxy.example:3128"}'), on.operator, secrets);
    expect(await on.shown(behind())).toEqual([]);
  });

  it('is given another share, or another CA, and keeps the login of the proxy', async () => {
    await on.load(okta('network: {proxy: "http://proxy.example:3128"}'), on.operator, secrets);
    const { id } = await stored();
    const network = { proxy: 'http://me:hunter2@proxy.example:3128' };
    const credentials = { kind: 'api-token', token: 'first' };
    await updateConnection(on.deps, on.operator, { connection: id, network, credentials });
    expect(await on.shown(behind(', share: 0.2'))).toEqual([`update connection ${name}: Okta: network`]);
    await on.load(behind(', share: 0.2'));
    expect((await stored()).network).toMatchObject({ proxy: 'http://proxy.example:3128/', share: 0.2 });
    const opened = await on.deps.store.connections.open(on.deps.store.root, id);
    expect(opened?.network.proxy).toBe('http://me:hunter2@proxy.example:3128/');
  });

  it('needs its credentials again where another proxy would see them', async () => {
    await on.load(okta('network: {proxy: "http://proxy.example:3128"}'), on.operator, secrets);
    const said = await on.refusal(behind('', 'http://other.example:3128'));
    expect(said).toEqual([expect.stringContaining('settings or network now send them somewhere else')]);
  });
});
