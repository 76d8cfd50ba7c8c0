import { describe, expect, it } from 'vitest';
import { concludeSnapshot, type PullEvidence, type Snapshot } from '../../src/domain/snapshot.ts';

const everything: PullEvidence = {
  chainClosed: true,
  looped: false,
  users: 10,
  stored: 10,
  namelessRecords: 0,
  linkedUsers: 9,
  usersBefore: 11,
};
const partial = (reason: Extract<Snapshot, { kind: 'partial' }>['reason']): Snapshot => ({
  kind: 'partial',
  reason,
});

describe('concludeSnapshot', () => {
  it.each<[string, Partial<PullEvidence>, Snapshot]>([
    ['everything was read', {}, { kind: 'complete', users: 10 }],
    ['the chain did not close', { chainClosed: false }, partial('page-failed')],
    ['it led in a circle', { looped: true, chainClosed: false }, partial('looping-cursor')],
    ['a circle that seems closed', { looped: true }, partial('looping-cursor')],
    ['rows are missing', { stored: 9 }, partial('rows-missing')],
    ['there are more rows than were read', { stored: 11 }, partial('rows-missing')],
    ['a record had no id', { namelessRecords: 1 }, partial('nameless-record')],
    ['nobody, and users are linked', { users: 0, stored: 0, usersBefore: 0 }, partial('empty-directory')],
    [
      'nobody, and there were users before',
      { users: 0, stored: 0, linkedUsers: 0 },
      partial('empty-directory'),
    ],
    [
      'nobody, and there never was anybody',
      { users: 0, stored: 0, linkedUsers: 0, usersBefore: 0 },
      { kind: 'complete', users: 0 },
    ],
    ['far fewer than before, which is for guards', { users: 1, stored: 1 }, { kind: 'complete', users: 1 }],
  ])('where %s', (_, evidence, snapshot) => {
    expect(concludeSnapshot({ ...everything, ...evidence })).toEqual(snapshot);
  });
});
