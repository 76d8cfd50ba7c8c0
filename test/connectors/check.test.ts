/** The course that every connector's check takes. */
import { expect, it } from 'vitest';
import { type Attempt, checkInSteps, counted, firstRecords } from '../../connectors/check.ts';
import { ConnectorError, type ConnectorFailure, type FailureKind } from '../../connectors/contract.ts';

const failing =
  (kind: FailureKind, more: Partial<ConnectorFailure> = {}) =>
  async () => {
    throw new ConnectorError({ kind, message: `It is ${kind}.`, remedy: 'Mend it.', ...more });
  };
const working = async () => ({ detail: 'Found.' });

async function steps(...attempts: readonly Attempt[]) {
  const found = [];
  for await (const step of checkInSteps('Acme', attempts)) found.push(step);
  return found;
}

it.each<[FailureKind, Partial<ConnectorFailure>, readonly string[]]>([
  ['unavailable', {}, ['reach -']],
  ['untrusted-certificate', {}, ['reach -']],
  ['rate-limited', {}, ['reach -']],
  ['misconfigured', {}, ['reach -']],
  ['misconfigured', { requestId: 'r1' }, ['reach +', 'credential +', 'users -', 'groups +']],
  ['credentials-rejected', {}, ['reach +', 'credential -']],
  ['unexpected-response', {}, ['reach +', 'credential +', 'users -', 'groups +']],
])(
  'charges a first failure of kind %s with %j to the step that is at fault',
  async (kind, more, expected) => {
    const found = await steps(
      { step: 'users', attempt: failing(kind, more) },
      { step: 'groups', attempt: working },
    );
    expect(found.map(({ step, ok }) => `${step} ${ok ? '+' : '-'}`)).toEqual(expected);
    for (const step of found) expect('remedy' in step).toBe(!step.ok);
  },
);

it('reports a permission once, however many attempts need it, and a missing one in place of what needs it', async () => {
  const found = await steps(
    { step: 'users', permission: 'users.read', attempt: working },
    { step: 'look-up', permission: 'users.read', attempt: failing('permission-missing') },
    { step: 'groups', permission: 'groups.read', attempt: failing('permission-missing') },
    { step: 'members', after: ['groups'], attempt: working },
  );
  expect(found.slice(2)).toEqual([
    { step: 'permission', ok: true, detail: 'users.read' },
    { step: 'users', ok: true, detail: 'Found.' },
    { step: 'look-up', ok: false, detail: 'It is permission-missing.', remedy: 'Mend it.' },
    { step: 'permission', ok: false, detail: 'groups.read', remedy: 'Mend it.' },
  ]);
});

it('says of an optional attempt what does not work when it fails', async () => {
  const without = 'Every run is a full one.';
  const found = await steps(
    { step: 'users', attempt: working },
    { step: 'changes', without, attempt: failing('unavailable') },
  );
  expect(found.at(-1)).toEqual({
    step: 'changes',
    ok: false,
    optional: true,
    detail: 'Every run is a full one. It is unavailable.',
    remedy: 'Mend it.',
  });
});

it('counts as failed what was found to be wrong, and leaves out what there is nothing to try on', async () => {
  const found = await steps(
    { step: 'users', attempt: async () => ({ detail: 'Nobody.', remedy: 'Look elsewhere.' }) },
    { step: 'groups', permission: 'groups.read', attempt: async () => null },
    { step: 'look-up', after: ['users'], attempt: working },
  );
  expect(found.slice(2)).toEqual([
    { step: 'users', ok: false, detail: 'Nobody.', remedy: 'Look elsewhere.' },
    { step: 'permission', ok: true, detail: 'groups.read' },
  ]);
});

it('passes on what is no failure of the connector', async () => {
  const attempt = () => Promise.reject(new Error('stopped by hand'));
  await expect(steps({ step: 'users', attempt })).rejects.toThrow('stopped by hand');
});

it('takes the first page that holds anything, and says how much of it was not understood', async () => {
  const records = [{ kind: 'user' }, { kind: 'unreadable' }];
  const found = await firstRecords(async (cursor) =>
    cursor === null ? { records: [], next: 'second' } : { records, next: 'third' },
  );
  expect(found).toEqual(records);
  expect(counted('Users', found)).toBe('Users on the first page: 2, not understood: 1.');
});
