import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GROUPINGS, type Grouping } from '../../src/domain/changeGroup.ts';
import { type ChangeGroup, groupChanges } from '../../src/review/changeGroups.ts';
import { listChanges } from '../../src/review/changes.ts';
import { decide } from '../../src/review/decide.ts';
import type { ChangeView } from '../../src/store/changes.ts';
import { costOf } from '../support/cost.ts';
import { expectTrueCounts } from '../support/counts.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const groups = async (of: Connected, by: Grouping, filter: object = {}) =>
  await groupChanges(install, of.administrator, { by, connection: of.connection, limit: 500, ...filter });

const lines = async (of: Connected, by: Grouping, filter: object = {}) =>
  (await groups(of, by, filter)).items.map(({ label, changes }) => `${changes} ${label}`);

async function listed(of: Connected, filter: object): Promise<readonly ChangeView[]> {
  const found: ChangeView[] = [];
  let after: string | null = null;
  do {
    const input: object = { connection: of.connection, limit: 500, ...filter, after };
    const page = await listChanges(install, of.administrator, input);
    found.push(...page.items);
    after = page.next;
  } while (after !== null);
  return found;
}

const group = async (of: Connected, by: Grouping, label: string): Promise<ChangeGroup> => {
  const found = (await groups(of, by)).items.find((one) => one.label === label);
  if (found === undefined) throw new Error(`there is no group ${label}`);
  return found;
};

const idsOf = (changes: readonly ChangeView[]) => changes.map(({ externalId }) => `${externalId}`).sort();

/** Ten people of two departments, all applied, of whom some have changed since. */
async function acme(): Promise<Connected> {
  const users = Array.from({ length: 10 }, (_, at) => ({
    id: `u${at}`,
    email: `person${at}@old.test`,
    jobTitle: 'Engineer',
    department: at < 4 ? 'Sales' : 'Research',
  }));
  const groups = [{ id: 'g', members: ['u0', 'u1'], name: 'Administrators' }];
  const mapping = { roles: [{ group: 'Administrators', role: 'admin' }] };
  const of = await install.connect({ directory: aDirectory({ users, groups }), mapping, guards: noGuards });
  await of.syncAndApply();
  for (const id of ['u2', 'u3', 'u4']) of.directory.edit(id, { jobTitle: 'Senior Engineer' });
  for (const id of ['u5', 'u6']) of.directory.edit(id, { email: `person${id.slice(1)}@new.test` });
  of.directory.edit('u7', { displayName: 'Renamed' });
  of.directory.remove('u8', 'u9');
  of.directory.group('g', ['u0']);
  of.directory.add({ id: 'new1' }, { id: 'new2' });
  await of.sync();
  return of;
}

describe('Changes in groups', () => {
  it('are one line for all that do the same, whoever they do it to', async () => {
    const of = await acme();
    expect((await lines(of, 'difference')).sort()).toEqual([
      '1 displayName: changed',
      '1 − admin',
      '2 a new auth user',
      '2 deleted',
      '2 email: @old.test → @new.test',
      '3 jobTitle: Engineer → Senior Engineer',
    ]);
    expect(await groups(of, 'difference')).toMatchObject({
      changes: 11,
      groups: 6,
      lookedAt: null,
      next: null,
    });
  });

  it('are those of a cause, a department, a role, a field, a risk', async () => {
    const of = await acme();
    expect(await lines(of, 'kind')).toEqual(['7 update', '2 create', '2 delete']);
    expect(await lines(of, 'cause')).toEqual([
      '6 edited in the directory',
      '2 new in the directory',
      '2 no longer in the directory',
      '1 group membership changed',
    ]);
    expect(await lines(of, 'department')).toEqual(['6 Research', '3 Sales', '2 no department']);
    expect(await lines(of, 'role-lost')).toEqual(['10 loses no role', '1 admin']);
    expect(await lines(of, 'risk')).toEqual(['8 low risk', '2 medium risk', '1 high risk']);
    expect(await lines(of, 'field', { kind: ['update'] })).toEqual(
      ['3 jobTitle', '2 email', '1 no single field', '1 displayName'].sort(
        (one, other) => Number(other[0]) - Number(one[0]),
      ),
    );
  });

  it('say of each how many there are by kind, state and risk, and show some', async () => {
    const of = await acme();
    await of.decide('hold', 'u5');
    const line = await group(of, 'difference', 'email: @old.test → @new.test');
    expect(line).toMatchObject({
      changes: 2,
      kinds: { update: 2 },
      states: { open: 1, held: 1 },
      risks: { medium: 2 },
    });
    expect(line.sample.length).toBeGreaterThan(0);
  });

  it('are opened by the filter that stands with them, and approved by it as one', async () => {
    const of = await acme();
    const { revisions } = await groups(of, 'difference');
    const { filter } = await group(of, 'difference', 'jobTitle: Engineer → Senior Engineer');
    expect(idsOf(await listed(of, filter))).toEqual(['u2', 'u3', 'u4']);
    const ruling = { verdict: 'approve', reason: 'promoted', revisions, filter };
    expect(await decide(install, of.administrator, ruling)).toMatchObject({ decided: 3, refused: [] });
    expect(await of.inState('approved')).toEqual(['u2', 'u3', 'u4']);
  });

  it('do not take in what arrives after they were shown', async () => {
    const of = await acme();
    const { revisions } = await groups(of, 'difference');
    const { filter } = await group(of, 'difference', 'jobTitle: Engineer → Senior Engineer');
    of.directory.edit('u0', { jobTitle: 'Senior Engineer' });
    await of.sync();
    await decide(install, of.administrator, { verdict: 'reject', reason: 'no', revisions, filter });
    expect(await of.inState('rejected')).toEqual(['u2', 'u3', 'u4']);
    const late = revisions.map((one) => ({ ...one, revision: one.revision + 5 }));
    await expect(
      decide(install, of.administrator, { verdict: 'reject', reason: 'no', revisions: late, filter }),
    ).rejects.toMatchObject({ code: 'changed-since-shown' });
  });

  it('are gone after a full run once they have no change any more, and no other is', async () => {
    const of = await acme();
    const stored = async () =>
      await asOwner(install.database.url, async (client) => {
        const { rows } = await client.query<{ difference: object; changes: number }>(
          `SELECT g.difference, (SELECT count(*)::int FROM change c WHERE c.group_id = g.id) AS changes
           FROM change_group g WHERE g.connection_id = $1`,
          [of.connection],
        );
        return rows;
      });
    await asOwner(install.database.url, (client) =>
      client.query(`DELETE FROM change WHERE connection_id = $1 AND external_id = 'u1'`, [of.connection]),
    );
    const before = await stored();
    const emptied = before.filter(({ changes }) => changes === 0);
    expect(emptied.length).toBeGreaterThan(0);
    of.directory.group('g', ['u0', 'u1']);
    of.directory.edit('u7', { jobTitle: 'Chief' });
    await of.sync({ full: true });
    expect((await stored()).filter(({ changes }) => changes === 0)).toEqual([]);
    expect((await stored()).length).toBeGreaterThanOrEqual(before.length - emptied.length);
  });

  it('keep their cause when a later run finds the same', async () => {
    const of = await acme();
    const before = await lines(of, 'cause');
    await of.sync();
    await of.sync();
    expect(await lines(of, 'cause')).toEqual(before);
  });

  it('are counted across the connections of a tenant, and decided on in all of them', async () => {
    const [one, tenant] = await (async () => {
      const first = await acme();
      return [first, first.tenant] as const;
    })();
    const other = await install.connect({ directory: aDirectory({ users: 3 }), tenant, guards: noGuards });
    await other.sync();
    const found = await groupChanges(install, one.administrator, { by: 'difference' });
    const line = found.items.find(({ label }) => label === 'a new auth user');
    expect(line?.changes).toBe(5);
    expect(found.revisions.map(({ connection }) => connection).sort()).toEqual(
      [one.connection, other.connection].sort(),
    );
    const { revisions } = found;
    const result = await decide(install, one.administrator, {
      verdict: 'hold',
      reason: 'all new ones',
      revisions,
      filter: line?.filter,
    });
    expect(result.decided).toBe(5);
    expect(await other.inState('held')).toEqual(['u1', 'u2', 'u3']);
  });

  it('tell an administrator of a tenant below nothing of those above, and a neighbour nothing at all', async () => {
    const of = await acme();
    const below = await install.tenant(of.tenant);
    const child = await install.connect({
      directory: aDirectory({ users: 2 }),
      tenant: below,
      guards: noGuards,
    });
    await child.sync();
    const neighbour = await aCaller(install, await install.tenant());
    for (const by of GROUPINGS) {
      const seen = await groupChanges(install, child.administrator, { by });
      expect(seen.changes, by).toBe(2);
      expect(seen.revisions.map(({ connection }) => connection)).toEqual([child.connection]);
      expect(await groupChanges(install, neighbour, { by })).toMatchObject({
        changes: 0,
        items: [],
        revisions: [],
      });
      const asked = await groupChanges(install, child.administrator, { by, connection: of.connection });
      expect(asked).toMatchObject({ changes: 0, groups: 0, items: [] });
    }
    expect((await groupChanges(install, of.administrator, { by: 'kind' })).changes).toBe(13);
  });

  it('come a page at a time, the largest first, each once', async () => {
    const of = await acme();
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await groupChanges(install, of.administrator, { by: 'difference', limit: 2, after });
      seen.push(...page.items.map(({ changes, label }) => `${changes} ${label}`));
      after = page.next;
    } while (after !== null);
    expect(seen).toHaveLength(6);
    expect(seen).toEqual(await lines(of, 'difference'));
  });

  it('open as many as they count, also where one belongs to several and something was asked for', async () => {
    const of = await acme();
    of.directory.edit('u2', { displayName: 'Married' });
    of.directory.edit('u3', { displayName: 'Married too', email: 'person3@new.test' });
    await of.sync();
    for (const field of [['jobTitle'], ['jobTitle', 'displayName']]) {
      const { items } = await groups(of, 'field', { field });
      expect(items.map(({ key }) => key).sort()).toEqual(['displayName', 'email', 'jobTitle']);
      for (const { filter, changes } of items) expect(await listed(of, filter)).toHaveLength(changes);
    }
  });

  it('can be of those alone whom a search finds', async () => {
    const of = await acme();
    expect(await lines(of, 'kind', { search: 'PERSON8@' })).toEqual(['1 delete']);
    expect(await lines(of, 'cause', { search: 'nobody' })).toEqual([]);
  });

  it('know what a guard holds', async () => {
    const of = await install.connect({
      directory: aDirectory({ users: 12 }),
      guards: { ...noGuards, deletedPercent: 10, deletedAtLeast: 1 },
    });
    await of.syncAndApply();
    of.directory.remove('u1', 'u2', 'u3');
    of.directory.edit('u4', { displayName: 'Edited' });
    await of.sync();
    expect(await lines(of, 'guard')).toEqual([
      '3 held by the guard too-many-deletions',
      '1 not held by a guard',
    ]);
    expect(idsOf(await listed(of, { guard: 'too-many-deletions' }))).toEqual(['u1', 'u2', 'u3']);
    expect(idsOf(await listed(of, { guard: '' }))).toEqual(['u4']);
    await of.decide('approve', 'u1');
    expect(await lines(of, 'guard')).toEqual([
      '2 not held by a guard',
      '2 held by the guard too-many-deletions',
    ]);
  });
});

describe('Counts', () => {
  const keysOf = (by: Grouping, change: ChangeView): readonly string[] => {
    const fieldOf = (name: string) => {
      const sides = [change.after, change.before] as ({ fields: Record<string, string> } | null)[];
      return [sides.map((side) => side?.fields[name]).find((value) => value !== undefined) ?? ''];
    };
    const orNone = (names: readonly string[]) => (names.length === 0 ? [''] : names);
    switch (by) {
      case 'kind':
        return [change.kind];
      case 'cause':
        return [change.cause];
      case 'risk':
        return [change.risk.level];
      case 'difference':
        return [change.difference];
      case 'connection':
        return [change.connection];
      case 'department':
        return fieldOf('department');
      case 'org-unit':
        return fieldOf('orgUnit');
      case 'role-gained':
        return orNone(change.rolesGained);
      case 'role-lost':
        return orNone(change.rolesLost);
      case 'field':
        return orNone(change.before === null ? [] : change.fields.map(({ field }) => field));
      case 'guard':
        return [change.state === 'held' ? (change.decision?.finding?.guard ?? '') : ''];
    }
  };
  const step = fc.oneof(
    fc.record({ do: fc.constant('edit' as const), who: fc.nat(11), title: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ do: fc.constantFrom('remove', 'join', 'leave'), who: fc.nat(11) }),
    fc.record({ do: fc.constantFrom('approve', 'reject', 'hold'), who: fc.nat(11) }),
    fc.record({ do: fc.constantFrom('sync', 'apply', 'approve all') }),
  );
  const filters = [
    {},
    { kind: ['update'] },
    { risk: ['medium', 'high'] },
    { field: ['jobTitle'] },
    { state: ['held'] },
    { roleLost: ['admin'] },
    { department: '' },
  ];

  it('are those of a recount after any plans, decisions and applies, by whatever they are grouped and filtered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 14 }), async (steps) => {
        const users = Array.from({ length: 12 }, (_, at) => ({
          id: `u${at}`,
          department: at % 3 === 0 ? 'Sales' : null,
        }));
        const directory = aDirectory({
          users,
          groups: [{ id: 'g', members: ['u0', 'u1', 'u2'], name: 'G' }],
        });
        const mapping = { roles: [{ group: 'G', role: 'admin' }] };
        const of = await install.connect({
          directory,
          mapping,
          guards: { deletedAtLeast: 1, deletedPercent: 0 },
        });
        const members = new Set(['u0', 'u1', 'u2']);
        await of.sync();
        for (const one of steps) await take(of, members, one);
        await of.sync();
        for (const filter of filters) {
          const all = await listed(of, filter);
          for (const by of GROUPINGS) {
            const recounted = Map.groupBy(
              all.flatMap((change) => keysOf(by, change)),
              (key) => key,
            );
            const counted = await groups(of, by, filter);
            const said = new Map(counted.items.map(({ key, changes }) => [key, changes]));
            expect(said, `${by} ${JSON.stringify(filter)}`).toEqual(
              new Map([...recounted].map(([key, found]) => [key, found.length])),
            );
            expect(counted.changes).toBe(all.length);
          }
        }
        const { items } = await groups(of, 'difference');
        for (const { filter, changes } of items) expect(await listed(of, filter)).toHaveLength(changes);
        await expectTrueCounts(install.database.url);
      }),
      { numRuns: 4 },
    );
  });

  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
  async function take(of: Connected, members: Set<string>, one: Step): Promise<void> {
    const id = 'who' in one ? `u${one.who}` : '';
    switch (one.do) {
      case 'edit':
        return of.directory.edit(id, { jobTitle: 'title' in one ? one.title : null });
      case 'remove':
        return of.directory.remove(id);
      case 'join':
      case 'leave':
        members[one.do === 'join' ? 'add' : 'delete'](id);
        return of.directory.group('g', [...members]);
      case 'approve':
      case 'reject':
      case 'hold':
        await of.decide(one.do, id).catch(() => {}); // where nothing waits for them
        return;
      case 'approve all':
        await of.approveAll();
        return;
      case 'sync':
        await of.sync();
        return;
      case 'apply':
        await of.apply().catch(() => {}); // where nothing is approved
    }
  }
});

describe('A list of very many changes', () => {
  it('has each of those that are rare once, oldest first, however far apart they are, and costs what it shows', async () => {
    const users = Array.from({ length: 2_600 }, (_, at) => ({
      id: `u${at}`,
      department: at % 650 === 649 ? 'Rare' : 'Usual',
    }));
    const of = await install.connect({ directory: aDirectory({ users, pageSize: 1_000 }), guards: noGuards });
    await of.sync();
    const rare = await listed(of, { department: 'Rare', limit: 3 });
    expect(idsOf(rare)).toEqual(['u1299', 'u1949', 'u2599', 'u649'].sort());
    expect(rare.map(({ id }) => id)).toEqual(rare.map(({ id }) => id).sort());
    const usual = await listed(of, { department: 'Usual', limit: 499 });
    expect(new Set(usual.map(({ id }) => id)).size).toBe(2_596);
    expect(usual).toHaveLength(2_596);
    expect(await listed(of, { department: 'None at all' })).toEqual([]);
    expect(await lines(of, 'department')).toEqual(['2596 Usual', '4 Rare']);
    expect(await of.approveAll({ department: 'Rare' })).toBe(4);
    expect(await lines(of, 'department', { state: ['approved'] })).toEqual(['4 Rare']);

    // By what is shown of them and not by how many there are; approved in a few passes, and none of them comes here.
    const { url } = install.database;
    await asOwner(url, (client) => client.query('ANALYZE'));
    const page = { connection: of.connection, limit: 50 };
    const costs = [await costOf(url, () => listChanges(install, of.administrator, page))];
    for (const by of GROUPINGS) costs.push(await costOf(url, () => groups(of, by)));
    for (const { rowsRead, mostRows } of costs) {
      expect(rowsRead).toBeLessThan(1_300);
      expect(mostRows).toBeLessThan(100);
    }
    const approving = await costOf(url, () => of.approveAll());
    expect(await of.inState('open')).toEqual([]);
    expect(approving.statements).toBeLessThan(30);
    expect(approving.mostRows).toBeLessThan(10);
    expect(approving.rowsRead).toBeLessThan(20 * 2_600);
  });
});

describe('Counts of a connection', () => {
  it('are put together where they have become many, and are the same after it', async () => {
    const of = await install.connect({ directory: aDirectory({ users: 20 }), guards: noGuards });
    await of.sync();
    const rows = () =>
      asOwner(install.database.url, async (client) => {
        const found = await client.query(
          'SELECT count(*)::int AS n FROM change_count WHERE connection_id = $1',
          [of.connection],
        );
        return found.rows[0].n as number;
      });
    // As applies and decisions by name leave them: more, and as many less.
    await asOwner(install.database.url, (client) =>
      client.query(
        `INSERT INTO change_count (tenant_id, connection_id, group_id, state, changes)
         SELECT tenant_id, connection_id, group_id, state, CASE n % 2 WHEN 0 THEN 1 ELSE -1 END
         FROM change_count, generate_series(1, 3000) n WHERE connection_id = $1`,
        [of.connection],
      ),
    );
    await of.approve('u1', 'u2');
    expect(await rows()).toBeGreaterThan(3_000);
    await of.apply();
    expect(await rows()).toBeLessThan(10);
    expect(await lines(of, 'difference')).toEqual(['18 a new auth user']);
    await expectTrueCounts(install.database.url);
  });
});
