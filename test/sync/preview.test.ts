import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { Install } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

/** Every row that an application could notice. What a run finds to agree is noted on identities, and no application sees it. */
function whatApplicationsSee(): Promise<readonly unknown[]> {
  return asOwner(install.database.url, async (client) => {
    const { rows } = await client.query(
      `SELECT (SELECT json_agg(to_json(u) ORDER BY u.id) FROM auth_user u) AS users,
         (SELECT json_agg(to_json(r) ORDER BY r.auth_user_id, r.role_id, r.origin) FROM role_assignment r) AS roles,
         (SELECT json_agg(to_json(e) ORDER BY e.id) FROM event e) AS events,
         (SELECT json_agg(json_build_array(i.connection_id, i.external_id, i.auth_user_id) ORDER BY i.external_id) FROM identity i) AS links`,
    );
    return rows;
  });
}

describe('A run is a preview', () => {
  it('that changes no auth user, link, role or event, whatever it proposes and whatever is decided on it', async () => {
    const directory = aDirectory({ users: 5 });
    directory.group('staff', ['u1', 'u2', 'u3'], 'staff');
    const acme = await install.connect({
      directory,
      mapping: { roles: [{ group: 'staff', role: 'member' }] },
    });
    await acme.syncAndApply();
    const before = await whatApplicationsSee();

    directory.edit('u1', { displayName: 'Renamed' });
    directory.edit('u2', { state: 'suspended' });
    directory.remove('u3');
    directory.add({ id: 'u6' });
    directory.group('staff', ['u1', 'u4'], 'staff');
    await acme.sync();
    await acme.approveAll();
    await acme.sync();

    const proposed = (await acme.changes()).map((change) => change.kind);
    expect(new Set(proposed)).toEqual(new Set(['create', 'update', 'suspend', 'delete']));
    expect(await whatApplicationsSee()).toEqual(before);
  });
});
