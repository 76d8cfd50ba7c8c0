import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { OktaCredentials, OktaSettings, readPrivateKey } from '../../connectors/okta/credentials.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const pem = (key: typeof rsa, type: 'pkcs8' | 'pkcs1' = 'pkcs8') =>
  key.export({ format: 'pem', type }).toString();
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;

describe('the address of an org', () => {
  it.each(['https://acme.okta.com', 'https://acme.okta.com/', 'https://ACME.okta.com'])(
    'is an origin: %s',
    (orgUrl) => {
      expect(OktaSettings.parse({ orgUrl }).orgUrl).toBe('https://acme.okta.com');
    },
  );

  it.each([
    ['http://acme.okta.com', 'https'],
    ['acme.okta.com', 'https'],
    ['https://acme.okta.com/api/v1', 'without a path'],
    ['https://acme.okta.com/?x=1', 'without a path'],
    ['https://user:password@acme.okta.com', 'without a path'],
    ['https://acme-admin.okta.com', 'leave out "-admin"'],
  ])('is refused with the reason: %s', (orgUrl, reason) => {
    const read = OktaSettings.safeParse({ orgUrl });
    expect(read.success).toBe(false);
    expect(read.error?.issues).toEqual([
      expect.objectContaining({ path: ['orgUrl'], message: expect.stringContaining(reason) }),
    ]);
  });
});

describe('a private key', () => {
  it.each([
    ['PKCS #8', pem(rsa), 'RS256'],
    ['PKCS #1, with blanks around it', `\n ${pem(rsa, 'pkcs1')} \n`, 'RS256'],
    ['an RSA JWK', JSON.stringify({ ...rsa.export({ format: 'jwk' }), kid: 'k', alg: 'RS256' }), 'RS256'],
    ['P-256', pem(ec('P-256')), 'ES256'],
    ['an EC JWK', JSON.stringify(ec('P-256').export({ format: 'jwk' })), 'ES256'],
    ['P-384', pem(ec('P-384')), 'ES384'],
    ['P-521', pem(ec('P-521')), 'ES512'],
  ])('as %s tells its algorithm', (_, text, alg) => {
    expect(OktaCredentials.parse({ kind: 'private-key', privateKey: text, keyId: 'k' })).toMatchObject({
      privateKey: text,
    });
    expect(readPrivateKey(text)).toMatchObject({ ok: true, signing: { alg } });
  });

  const secret = 'c2VjcmV0IHZhbHVl';
  it.each([
    ['no key', secret, 'no private key'],
    ['a damaged PEM', `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`, 'no private key'],
    ['a damaged JWK', `{"kty":"RSA","d":"${secret}"}`, 'no private key'],
    ['a public JWK', JSON.stringify({ ...rsa.export({ format: 'jwk' }), d: undefined }), 'no private key'],
    ['another curve', pem(ec('secp256k1')), 'does not take'],
    ['Ed25519', pem(generateKeyPairSync('ed25519').privateKey), 'does not take'],
    ['a short RSA key', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey), '2048'],
  ])('is refused with the reason and nothing of its content: %s', (_, privateKey, reason) => {
    const read = OktaCredentials.safeParse({ kind: 'private-key', privateKey, keyId: 'k' });
    expect(read.error?.issues).toEqual([
      expect.objectContaining({ path: ['privateKey'], message: expect.stringContaining(reason) }),
    ]);
    expect(JSON.stringify(read.error?.issues)).not.toContain(secret);
  });
});
