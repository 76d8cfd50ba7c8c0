import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApplyId } from '../../src/domain/ids.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { undoApply } from '../../src/review/undo.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, type ConnectOptions, Install, noGuards } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const never = () => new AbortController().signal;

async function settled(count: number, options: Partial<ConnectOptions> = {}): Promise<Connected> {
  const acme = await install.connect({
    directory: aDirectory({ users: count }),
    guards: noGuards,
    ...options,
  });
  await acme.syncAndApply();
  return acme;
}

/** Carries out what is approved; gives the apply. */
async function applied(acme: Connected): Promise<ApplyId> {
  const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
  await carryOutApply(install, apply, { signal: never() });
  return apply;
}

async function syncedAndApplied(acme: Connected): Promise<ApplyId> {
  await acme.sync();
  await acme.approveAll();
  return await applied(acme);
}

const undo = (acme: Connected, apply: ApplyId, more: object = {}) =>
  undoApply(install, acme.administrator, { apply, ...more });

/** Proposes the undo, approves it and carries it out; gives the apply that did. */
async function undone(acme: Connected, apply: ApplyId): Promise<ApplyId> {
  await undo(acme, apply);
  await acme.approveAll();
  return await applied(acme);
}

const withoutVersions = async (acme: Connected) =>
  (await acme.users()).map(({ version: _, ...user }) => user);

describe('The undo of an apply', () => {
  it('puts all back as it was, and the undo of the undo all forth, whatever kinds there are', async () => {
    const groups = [{ id: 'g', members: ['u1'] }];
    const mapping = { roles: [{ group: 'g', role: 'editor' }] };
    const directory = aDirectory({ users: 5, groups });
    const acme = await settled(5, { directory, mapping });
    directory.edit('u5', { state: 'suspended' });
    await acme.syncAndApply();
    directory.edit('u1', { department: 'Engines', displayName: 'Edited' });
    directory.group('g', ['u2']);
    directory.edit('u3', { state: 'suspended' });
    directory.remove('u4');
    directory.edit('u5', { state: 'active', department: 'Bridges' });
    directory.add({ id: 'u6' });
    const before = await withoutVersions(acme);
    const apply = await syncedAndApplied(acme);
    const after = await withoutVersions(acme);
    const result = await undo(acme, apply);
    expect(result).toMatchObject({
      proposed: 6,
      left: 0,
      kinds: { update: 2, reactivate: 2, suspend: 1, delete: 1 },
    });
    await acme.approveAll();
    const back = await applied(acme);
    const madeAndGone = (user: (typeof before)[number]) => user.externalId !== 'u6';
    expect((await withoutVersions(acme)).filter(madeAndGone)).toEqual(before);
    expect((await acme.user('u6')).state).toBe('deleted');
    await undone(acme, back);
    expect(await withoutVersions(acme)).toEqual(after);
    expect(await install.auditIsWhole()).toBe(true);
  });
});

it('is not for somebody of another tenant', async () => {
  const acme = await settled(1);
  acme.directory.edit('u1', { department: 'Engines' });
  const apply = await syncedAndApplied(acme);
  const stranger = await aCaller(install, await install.tenant());
  await expect(undoApply(install, stranger, { apply })).rejects.toMatchObject({
    code: 'not-found',
  });
});
