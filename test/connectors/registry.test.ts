import { describe, expect, it, onTestFinished } from 'vitest';
import { connectors, openConnector } from '../../connectors/registry.ts';
import { SIMULATED } from '../../simulators/directory.ts';
import { startSimulator } from '../../simulators/start.ts';
import { PROVIDERS } from '../../src/domain/directory.ts';
import { failing, never, SECRET } from './aSession.ts';
import { allPages } from './oktaOrg.ts';

const opening = (...input: Parameters<typeof openConnector>) =>
  failing(Promise.resolve().then(() => openConnector(...input)));
const ids = { directoryId: crypto.randomUUID(), clientId: crypto.randomUUID() };
const credentials = { kind: 'secret', clientSecret: SECRET };

describe('openConnector', () => {
  it.each(SIMULATED)('turns what was stored for %s into a connector that reads', async (provider) => {
    const simulator = await startSimulator(provider, { users: 5, plain: true });
    onTestFinished(() => simulator.close());
    const network = { baseUrl: simulator.origin, ca: simulator.ca };
    const stored = JSON.parse(JSON.stringify({ ...simulator, network })) as Parameters<
      typeof openConnector
    >[1];
    const connector = openConnector(provider, stored);
    onTestFinished(() => connector.close());
    expect(connector.provider).toBe(provider);
    expect(await allPages((cursor) => connector.fetchUsers(cursor, never))).toHaveLength(5);
  });

  it.each(PROVIDERS)('names what is missing for %s', async (provider) => {
    const failure = await opening(provider, { settings: {}, credentials: undefined });
    expect(failure).toMatchObject({
      kind: 'misconfigured',
      message: expect.stringMatching(/settings\.\w+: missing/),
    });
    expect(failure.message).toContain(connectors[provider].title);
    expect(failure.remedy).toContain(`connectors/${provider}/README.md`);
  });

  it.each([
    ['settings.directoryId', { settings: { ...ids, directoryId: 'common' }, credentials }],
    ['settings.clientId', { settings: { ...ids, clientId: SECRET }, credentials }],
    ['settings: unrecognized key: "Cloud"', { settings: { ...ids, Cloud: 'china' }, credentials }],
    ['credentials.kind', { settings: ids, credentials: { ...credentials, kind: SECRET } }],
    ['credentials.clientSecret: missing', { settings: ids, credentials: { kind: 'secret' } }],
    ['credentials.pem', { settings: ids, credentials: { kind: 'certificate', pem: SECRET } }],
    ['network.baseUrl', { settings: ids, credentials, network: { baseUrl: 'http://localhost/' } }],
    ['network.proxy', { settings: ids, credentials, network: { proxy: `socks://kim:${SECRET}@proxy` } }],
    ['network.ca', { settings: ids, credentials, network: { ca: SECRET } }],
  ])('names %s and shows no value', async (field, input) => {
    const failure = await opening('entra', input);
    expect(failure).toMatchObject({ kind: 'misconfigured', message: expect.stringContaining(field) });
  });

  it('lists the providers when there is no such one', async () => {
    const failure = await opening('notes', { settings: {}, credentials: {} });
    expect(failure).toMatchObject({
      kind: 'misconfigured',
      remedy: expect.stringContaining('entra, okta, google'),
    });
  });
});
