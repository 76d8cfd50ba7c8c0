import { describe, expect, it } from 'vitest';
import { concludeSnapshot, type PullEvidence, type Snapshot } from '../../src/domain/snapshot.ts';

const everything: PullEvidence = {
  chainClosed: true,
  looped: false,
  users: 10,
  foundLater: 0,
  notAskedFor: 0,
  stored: 10,
  namelessRecords: 0,
  hasLinkedUsers: true,
  usersBefore: 11,
  told: { users: null, permissions: ['groups', 'users'] },
  permissionsBefore: ['users'],
};
const partial = (reason: Extract<Snapshot, { kind: 'partial' }>['reason']): Snapshot => ({
  kind: 'partial',
  reason,
});

const told = (users: number) => ({ told: { users, permissions: ['users'] } });
const complete = (users: number) => ({ kind: 'complete' as const, users });

describe('concludeSnapshot', () => {
  it.each<[string, Partial<PullEvidence>, object]>([
    ['everything was read', {}, complete(10)],
    ['the chain did not close', { chainClosed: false }, partial('page-failed')],
    ['it led in a circle', { looped: true, chainClosed: false }, partial('looping-cursor')],
    ['a circle that seems closed', { looped: true }, partial('looping-cursor')],
    ['rows are missing', { stored: 9 }, partial('rows-missing')],
    ['there are more rows than were read', { stored: 11 }, partial('rows-missing')],
    ['a record had no id', { namelessRecords: 1 }, partial('nameless-record')],
    ['nobody, and users are linked', { users: 0, stored: 0, usersBefore: 0 }, partial('empty-directory')],
    [
      'nobody, and there were users before',
      { users: 0, stored: 0, hasLinkedUsers: false },
      partial('empty-directory'),
    ],
    [
      'nobody, and there never was anybody',
      { users: 0, stored: 0, hasLinkedUsers: false, usersBefore: 0 },
      complete(0),
    ],
    ['nobody but who was asked for', { foundLater: 10 }, partial('empty-directory')],
    [
      'many who were not listed are there',
      { users: 100, stored: 100, foundLater: 6 },
      partial('listing-incomplete'),
    ],
    [
      'some who were not listed are there, and not all of those were asked for',
      { users: 100, stored: 100, foundLater: 1, notAskedFor: 1 },
      partial('listing-incomplete'),
    ],
    ['many left, and nobody who was asked for is there', { notAskedFor: 1 }, complete(10)],
    ['a few moved while they were listed', { users: 100, stored: 100, foundLater: 5 }, complete(100)],
    ['the provider counts many more', told(16), partial('fewer-than-counted')],
    ['the provider counts a few more', told(15), complete(10)],
    ['the provider counts fewer', told(0), complete(10)],
    ['a permission is lost', { permissionsBefore: ['hidden', 'users'] }, partial('permission-lost')],
    ['permissions were never told before', { permissionsBefore: null }, complete(10)],
    [
      'permissions are never told',
      { permissionsBefore: null, told: { users: null, permissions: null } },
      complete(10),
    ],
    [
      'permissions were told before',
      { told: { users: null, permissions: null } },
      partial('evidence-missing'),
    ],
    ['the provider could not be asked', { permissionsBefore: null, told: null }, partial('evidence-missing')],
    ['far fewer than before, which is for guards', { users: 1, stored: 1 }, complete(1)],
  ])('where %s', (_, evidence, snapshot) => {
    expect(concludeSnapshot({ ...everything, ...evidence })).toEqual(snapshot);
  });
});
