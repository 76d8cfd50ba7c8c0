import { createPublicKey } from 'node:crypto';
import { jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import type { FailureKind } from '../../connectors/contract.ts';
import { type Answered, closedAfterEach, failureOf, nobody, refusal } from './googleAccount.ts';

const signal = new AbortController().signal;
const { account, connected } = closedAfterEach();

describe('the access token', () => {
  it('is asked for by the service account in the name of the administrator, with all scopes', async () => {
    const google = await account(() => nobody);
    await connected(google).fetchUsers(null, signal);
    const form = new URLSearchParams(google.tokenRequests[0]?.body);
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
    const { payload } = await jwtVerify(form.get('assertion') ?? '', createPublicKey(google.privateKey), {
      audience: 'https://oauth2.googleapis.com/token',
      issuer: 'rollcall@project.iam.gserviceaccount.com',
      subject: 'sync-admin@example.com',
    });
    expect(String(payload['scope']).split(' ')).toEqual([
      'https://www.googleapis.com/auth/admin.directory.user.readonly',
      'https://www.googleapis.com/auth/admin.directory.group.readonly',
      'https://www.googleapis.com/auth/admin.directory.group.member.readonly',
    ]);
    expect(google.tokenRequests[0]?.headers['content-type']).toContain('application/x-www-form-urlencoded');
  });

  it('is replaced once when Google refuses it before its time', async () => {
    const google = await account(({ headers }) =>
      headers['authorization'] === 'Bearer token-1' ? refusal(401, 'authError') : nobody,
    );
    expect((await connected(google).fetchUsers(null, signal)).records).toEqual([]);
    expect(google.tokenRequests).toHaveLength(2);
  });

  it('that is refused again is a rejected credential', async () => {
    const google = await account(() => refusal(401, 'authError'));
    const failure = await failureOf(connected(google).fetchUsers(null, signal));
    expect(failure).toMatchObject({ kind: 'credentials-rejected', status: 401 });
    expect(google.asked).toHaveLength(2);
  });
});

describe('a token that is refused', () => {
  it.each([
    [
      'unauthorized_client',
      401,
      'Client is unauthorized to retrieve access tokens',
      /Domain-wide delegation.*108000000000000000001.*user\.readonly.*group\.readonly.*group\.member\.readonly/,
    ],
    ['invalid_grant', 400, 'Invalid email or User ID', /adminEmail/],
    ['invalid_grant', 400, undefined, /adminEmail/],
    ['invalid_grant', 400, 'Invalid JWT Signature.', /new key/],
    [
      'invalid_grant',
      400,
      'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.',
      /clock/,
    ],
  ])('as %s (%s, %s) is a rejected credential with its remedy', async (error, status, text, remedy) => {
    const google = await account(
      () => nobody,
      () => ({ status, body: { error, error_description: text } }),
    );
    const connector = connected(google, { clientId: '108000000000000000001' });
    const failure = await failureOf(connector.fetchUsers(null, signal));
    expect(failure).toMatchObject({ kind: 'credentials-rejected', status });
    expect(failure.remedy).toMatch(remedy);
    expect(google.asked).toEqual([]);
    expect(google.tokenRequests).toHaveLength(1);
  });

  it.each<[string, Answered, FailureKind]>([
    ['a sign-in page', { body: '<html></html>' }, 'unexpected-response'],
    ['no token', { body: { token_type: 'Bearer' } }, 'unexpected-response'],
    ['503', { status: 503 }, 'unavailable'],
  ])('by an endpoint that answers with %s is not blamed on the credential', async (_what, answer, kind) => {
    const google = await account(
      () => nobody,
      () => answer,
    );
    expect(await failureOf(connected(google).fetchUsers(null, signal))).toMatchObject({ kind });
    expect(google.asked).toEqual([]);
  });
});

describe('one request for a token', () => {
  it('is not waited for by a caller who gives up, and still comes for the others', async () => {
    const asked = Promise.withResolvers<void>();
    const given = Promise.withResolvers<void>();
    const google = await account(
      () => nobody,
      async () => {
        asked.resolve();
        await given.promise;
        return { body: { access_token: 'late', expires_in: 3599 } };
      },
    );
    const connector = connected(google);
    const controller = new AbortController();
    const impatient = connector.fetchUsers(null, controller.signal);
    const patient = connector.fetchUsers(null, signal);
    await asked.promise;
    const reason = new Error('the run was cancelled');
    controller.abort(reason);
    await expect(impatient).rejects.toBe(reason);
    given.resolve();
    expect((await patient).records).toEqual([]);
    expect(google.tokenRequests).toHaveLength(1);
  });
});
