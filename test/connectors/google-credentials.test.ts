import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { googleDefinition } from '../../connectors/google/index.ts';

const pem = { type: 'pkcs8', format: 'pem' } as const;
const spki = { type: 'spki', format: 'pem' } as const;
const rsa = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: pem,
  publicKeyEncoding: spki,
});
const ec = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: pem,
  publicKeyEncoding: spki,
});

const parts = {
  kind: 'service-account',
  clientEmail: 'rollcall@project.iam.gserviceaccount.com',
  privateKey: rsa.privateKey.trim(),
  clientId: '108000000000000000001',
};
const keyFile = {
  type: 'service_account',
  project_id: 'project',
  private_key_id: 'abc',
  private_key: rsa.privateKey,
  client_email: parts.clientEmail,
  client_id: parts.clientId,
  token_uri: 'https://oauth2.googleapis.com/token',
};

it('the key file is taken as Google made it', () => {
  expect(googleDefinition.credentials.parse(keyFile)).toEqual(parts);
});

it('what was parsed can be stored and parsed again', () => {
  const once = googleDefinition.credentials.parse(keyFile);
  expect(googleDefinition.credentials.parse(once)).toEqual(once);
});

it('a key pasted with its line ends still written as \\n is taken', () => {
  const privateKey = JSON.stringify(rsa.privateKey).slice(1, -1);
  expect(privateKey).not.toContain('\n');
  expect(googleDefinition.credentials.parse({ ...parts, privateKey })).toEqual(parts);
});

it.each([
  ['no key', 'secret-without-form'],
  ['a public key', rsa.publicKey],
  ['a key of another kind', ec.privateKey],
  ['half a key', rsa.privateKey.slice(0, 400)],
])('%s is refused without repeating it', (_what, privateKey) => {
  for (const given of [
    { ...parts, privateKey },
    { ...keyFile, private_key: privateKey },
  ]) {
    const { success, error } = googleDefinition.credentials.safeParse(given);
    expect(success).toBe(false);
    expect(JSON.stringify(error?.issues)).toContain('private RSA key');
    expect(JSON.stringify(error?.issues)).not.toContain(privateKey.slice(0, 40));
  }
});

it('settings need the administrator, and know the own account', () => {
  const adminEmail = 'sync-admin@example.com';
  expect(googleDefinition.settings.parse({ adminEmail })).toEqual({
    adminEmail,
    customer: 'my_customer',
    domain: null,
    orgUnits: { include: [], exclude: [] },
  });
  expect(googleDefinition.settings.safeParse({}).success).toBe(false);
  expect(googleDefinition.settings.safeParse({ adminEmail: 'nobody' }).success).toBe(false);
});

it.each([
  [{ domain: 'example' }],
  [{ domain: 'ada@example.com' }],
  [{ orgUnits: { include: ['Staff'] } }],
  [{ orgUnits: { exclude: [''] } }],
  [{ orgUnits: { only: ['/Staff'] } }],
])('a scope that cannot be meant is refused: %o', (scope) => {
  const settings = { adminEmail: 'sync-admin@example.com', ...scope };
  expect(googleDefinition.settings.safeParse(settings).success).toBe(false);
});
