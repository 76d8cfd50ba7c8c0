import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Action, mayDo, PRINCIPAL_ROLES } from '../../src/domain/permission.ts';
import { createKey } from '../../src/tenancy/apiKeys.ts';
import { createPrincipal } from '../../src/tenancy/principals.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { type Listed, operationsOf, pathWith, unknownIds, usableBody } from './operations.ts';
import { addCustomer, fill, type Ids, type Served, serve } from './served.ts';

let served: Served;
let operations: readonly Listed[];
let ours: Awaited<ReturnType<typeof addCustomer>>;
let ourIds: Ids;

beforeAll(async () => {
  served = await serve();
  operations = await operationsOf(served);
  await createRole(served.deps, served.operator, { name: 'reader', type: 'assignable' });
  ours = await addCustomer(served, 'Ours');
  ourIds = (await fill(served, ours)).ids;
});
afterAll(() => served.close());

const isOpen = ({ operation }: Listed) => operation.security !== undefined;

describe('without a valid key', () => {
  it('every route but the open ones answers 401, and says how to come in', async () => {
    for (const { method, path } of operations.filter((listed) => !isOpen(listed))) {
      const answer = await served.request(method, pathWith(path, ourIds));
      expect(answer, `${method} ${path}`).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="rollcall"');
    }
  });

  it.each([
    ['an unknown key', `Bearer rc_${'x'.repeat(43)}`],
    ['something else', 'Bearer something'],
    ['another scheme', 'Basic cm9sbDpjYWxs'],
    ['nothing', ''],
  ])('%s is refused', async (_, authorization) => {
    const answer = await served.request('GET', '/v1/whoami', { headers: { authorization } });
    expect(answer.status).toBe(401);
  });

  it('a revoked key is refused from then on', async () => {
    const made = await served.request('POST', `/v1/principals/${ours.principal}/keys`, {
      key: ours.keys['tenant-administrator'],
      body: {},
    });
    const { key, id } = made.body;
    expect((await served.request('GET', '/v1/whoami', { key })).body).toMatchObject({ role: 'reviewer' });
    await served.request('DELETE', `/v1/keys/${id}`, { key: ours.keys['tenant-administrator'] });
    expect((await served.request('GET', '/v1/whoami', { key })).status).toBe(401);
  });
});

describe('roles', () => {
  it.each(PRINCIPAL_ROLES)('%s may do exactly what its permissions say', async (role) => {
    for (const { method, path, operation } of operations) {
      const permissions: readonly Action[] | undefined = operation['x-permissions'];
      if (permissions === undefined) continue;
      const { status } = await served.request(method, pathWith(path, unknownIds, 'unheard-of'), {
        key: ours.keys[role],
        ...(operation.requestBody === undefined ? {} : { body: {} }),
      });
      const allowed =
        permissions.every((permission) => mayDo(role, permission)) &&
        (role === 'system' || !/^(un)?verifyDomain$/.test(operation.operationId));
      if (allowed) expect([200, 400, 404], `${method} ${path}`).toContain(status);
      else expect(status, `${method} ${path}`).toBe(403);
    }
  });

  describe('an operation asks for all that it says, and for nothing else', () => {
    const keys = new Map<string, Promise<string>>();
    const keyFor = (permissions: readonly Action[]) => {
      const { deps, operator } = served;
      const make = async () => {
        const name = `Narrow ${keys.size}`;
        const { id: principal } = await createPrincipal(deps, operator, { name, role: 'system' });
        return (await createKey(deps, operator, { principal, permissions: [...permissions] })).key;
      };
      const key = keys.get(permissions.join()) ?? make();
      keys.set(permissions.join(), key);
      return key;
    };
    /** Which permission a key for just these lacks; null: none. Nobody is let in for more than the key may either. */
    const refusal = async ({ method, path, operation }: Listed, permissions: readonly Action[]) => {
      const body =
        operation.requestBody === undefined ? {} : { body: usableBody[operation.operationId] ?? {} };
      const answer = await served.request(method, pathWith(path, unknownIds, 'unheard-of'), {
        key: await keyFor(permissions),
        ...body,
      });
      const lacks = answer.status === 403 && /This key does not include/.test(answer.body.detail);
      return lacks ? `${operation.operationId}: ${answer.body.detail}` : null;
    };
    const neededBy = ({ operation }: Listed): readonly Action[] => operation['x-permissions'] ?? [];

    it('a key for exactly that suffices', async () => {
      const refused: (string | null)[] = [];
      for (const one of operations)
        if (neededBy(one).length > 0) refused.push(await refusal(one, neededBy(one)));
      expect(refused.filter((because) => because !== null)).toEqual([]);
    });

    it('a key for one of them less does not', async () => {
      const enough: string[] = [];
      for (const one of operations)
        for (const left of neededBy(one)) {
          const others = neededBy(one).filter((permission) => permission !== left);
          if (others.length > 0 && (await refusal(one, others)) === null)
            enough.push(`${one.operation.operationId} without ${left}`);
        }
      expect(enough).toEqual([]);
    });
  });

  it('are told to whoever asks with a key', async () => {
    const { body } = await served.request('GET', '/v1/whoami', { key: ours.keys.auditor });
    expect(body).toMatchObject({ role: 'auditor', tenant: ourIds.tenant, name: 'Ours auditor' });
    expect(body.permissions).toContain('audit.read');
    expect(body.permissions).not.toContain('changes.apply');
  });
});
