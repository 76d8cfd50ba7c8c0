import { createPublicKey } from 'node:crypto';
import { decodeJwt, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import type { FailureKind } from '../../connectors/contract.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing } from './aSession.ts';
import { type Answered, type Asked, closedAfterEach, nobody, refusal } from './googleAccount.ts';

const signal = new AbortController().signal;
const { account, connected } = closedAfterEach();
const USER = 'https://www.googleapis.com/auth/admin.directory.user.readonly';
const GROUP = 'https://www.googleapis.com/auth/admin.directory.group.readonly';
const MEMBER = 'https://www.googleapis.com/auth/admin.directory.group.member.readonly';
const ORG_UNITS = 'https://www.googleapis.com/auth/admin.directory.orgunit.readonly';
const REPORTS = 'https://www.googleapis.com/auth/admin.reports.audit.readonly';

/** What a request for a token asks for. */
function scopesIn(request: Asked | undefined): readonly string[] {
  const assertion = new URLSearchParams(request?.body).get('assertion') ?? '';
  return String(decodeJwt(assertion)['scope']).split(' ');
}

/** An account whose Admin console lists these scopes: all or nothing of a request is granted. */
const delegating = async (...scopes: readonly string[]) => {
  const google = await account(
    ({ path }) => {
      if (path.endsWith('/members')) return { body: { kind: 'admin#directory#members' } };
      if (path.endsWith('/groups')) return { body: { kind: 'admin#directory#groups' } };
      return path.endsWith('/users') ? nobody : { body: { id: '1', isAdmin: false } };
    },
    (asked) =>
      scopesIn(asked).every((scope) => scopes.includes(scope))
        ? { body: { access_token: scopesIn(asked).join(), expires_in: 3599 } }
        : { status: 401, body: { error: 'unauthorized_client', error_description: 'not authorized' } },
  );
  return { google, connector: connected(google) };
};

describe('the access token', () => {
  it('is asked for by the service account in the name of the administrator, with all scopes', async () => {
    const google = await account(() => nobody);
    await connected(google).fetchUsers(null, signal);
    const form = new URLSearchParams(google.tokenRequests[0]?.body);
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
    await jwtVerify(form.get('assertion') ?? '', createPublicKey(google.privateKey), {
      audience: 'https://oauth2.googleapis.com/token',
      issuer: 'rollcall@project.iam.gserviceaccount.com',
      subject: 'sync-admin@example.com',
    });
    expect(scopesIn(google.tokenRequests[0])).toEqual([USER, GROUP, MEMBER, REPORTS]);
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
    const failure = await failing(connected(google).fetchUsers(null, signal));
    expect(failure).toMatchObject({ kind: 'credentials-rejected', status: 401 });
    expect(google.asked).toHaveLength(2);
  });
});

describe('what is delegated', () => {
  const group = ExternalId.parse('g1');

  it('in whole needs one token, for lists and log alike', async () => {
    const { google, connector } = await delegating(USER, GROUP, MEMBER, REPORTS);
    await connector.fetchUsers(null, signal);
    await connector.fetchMembers(group, null, signal);
    expect(google.tokenRequests).toHaveLength(1);
  });

  it('without what is optional needs one refusal and one token', async () => {
    const { google, connector } = await delegating(USER, GROUP, MEMBER);
    await connector.fetchUsers(null, signal);
    await connector.fetchMembers(group, null, signal);
    expect(google.tokenRequests.map(scopesIn)).toEqual([
      [USER, GROUP, MEMBER, REPORTS],
      [USER, GROUP, MEMBER],
    ]);
  });

  it('in part serves what it is for, and what it lacks is a missing permission by its name', async () => {
    const { google, connector } = await delegating(USER, GROUP);
    expect((await connector.fetchUsers(null, signal)).records).toEqual([]);
    expect((await connector.fetchGroups(null, signal)).records).toEqual([]);
    const failure = await failing(connector.fetchMembers(group, null, signal));
    expect(failure).toMatchObject({ kind: 'permission-missing', status: 401 });
    expect(failure.message).toContain(MEMBER);
    expect(failure.remedy).toContain(`${USER},${GROUP},${MEMBER}`);
    expect(google.asked.map(({ headers }) => headers['authorization'])).toEqual([
      `Bearer ${USER}`,
      `Bearer ${GROUP}`,
    ]);
  });

  it('not at all is a rejected credential, with where to delegate what to whom', async () => {
    const refused = { status: 401, body: { error: 'unauthorized_client', error_description: 'no' } };
    const google = await account(
      () => nobody,
      () => refused,
    );
    const connector = connected(google, { clientId: '108000000000000000001' });
    const failure = await failing(connector.fetchUsers(null, signal));
    expect(failure).toMatchObject({ kind: 'credentials-rejected', status: 401 });
    expect(failure.remedy).toMatch(
      /Domain-wide delegation.*108000000000000000001.*user\.readonly.*group\.readonly.*group\.member\.readonly/,
    );
    expect(google.asked).toEqual([]);
  });
});

describe('the evidence', () => {
  const admin = (isAdmin: boolean) => async (scopeAnswered?: string) => {
    const google = await account(
      () => ({ body: { id: '1', isAdmin } }),
      () => ({ body: { access_token: 't', expires_in: 3599, scope: scopeAnswered } }),
    );
    return { google, evidence: await connected(google).evidence(signal) };
  };

  it('is the scopes that a pull needs, and that the administrator has every right', async () => {
    const { google, evidence } = await admin(true)();
    expect(evidence).toEqual({ users: null, permissions: [GROUP, MEMBER, USER, 'isAdmin'].toSorted() });
    expect(google.asked[0]?.path).toBe('/admin/directory/v1/users/sync-admin%40example.com');
  });

  it('shows when the administrator has the rights of a role only', async () => {
    const { evidence } = await admin(false)();
    expect(evidence.permissions).toEqual([GROUP, MEMBER, USER].toSorted());
  });

  it('believes Google where it says what it has granted', async () => {
    const { evidence } = await admin(false)(`${USER} ${GROUP} ${REPORTS}`);
    expect(evidence.permissions).toEqual([GROUP, USER].toSorted());
  });

  it('holds nothing that a pull does not need, whatever Google says it has granted', async () => {
    const { evidence } = await admin(false)(`openid ${USER} ${GROUP} ${MEMBER} ${REPORTS} ${ORG_UNITS}`);
    expect(evidence.permissions).toEqual([GROUP, MEMBER, USER].toSorted());
  });

  it('lacks what is not delegated', async () => {
    const { connector } = await delegating(USER, GROUP);
    expect((await connector.evidence(signal)).permissions).toEqual([GROUP, USER].toSorted());
  });

  it('is none where the administrator cannot be read', async () => {
    const google = await account(() => refusal(403, 'forbidden'));
    expect(await failing(connected(google).evidence(signal))).toMatchObject({ kind: 'permission-missing' });
  });
});

describe('a token that is refused', () => {
  it.each([
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
    const failure = await failing(connector.fetchUsers(null, signal));
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
    expect(await failing(connected(google).fetchUsers(null, signal))).toMatchObject({ kind });
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
