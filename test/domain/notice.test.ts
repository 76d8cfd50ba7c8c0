import { v7 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { ApplyId, ConnectionId, TenantId } from '../../src/domain/ids.ts';
import {
  lookAtMatters,
  type Matter,
  messageOf,
  NOTICE_KINDS,
  type Notice,
  type NoticeKind,
  subjectOf,
} from '../../src/domain/notice.ts';

const tenant = { id: TenantId.parse(v7()), name: 'Harbor' };
const connection = { id: ConnectionId.parse(v7()), name: 'Harbor Okta' };
const of = { tenant, connection };

const pending = (amount: number): Matter => ({
  kind: 'pending-approvals',
  ...of,
  amount,
  sets: { new: amount, changed: 0, deleted: 0, conflict: 0 },
});
const held = (amount: number, rule = 'too-many-deletions', by: 'guard' | 'policy' = 'guard'): Matter => ({
  kind: 'held-changes',
  ...of,
  amount,
  by,
  rule,
});
const quarantine: Matter = {
  kind: 'quarantine',
  ...of,
  amount: 1,
  state: 'quarantined',
  because: 'It fails.',
};

const told = (matter: Matter, toldAmount: number | null): Notice => ({
  id: v7(),
  kind: matter.kind,
  subject: subjectOf(matter),
  toldAmount,
});

const telling = (immediately: readonly NoticeKind[], inDigest: readonly NoticeKind[] = []) => ({
  immediately,
  inDigest,
});
const all = telling(NOTICE_KINDS);

describe('A matter', () => {
  it('is told when it is new, and is noticed', () => {
    expect(lookAtMatters([], [pending(3)], all, false)).toEqual({
      opened: [pending(3)],
      closed: [],
      shrunk: [],
      now: [pending(3)],
      digest: null,
    });
  });

  it.each([
    ['as large as it was told', 3, 3, false],
    ['ten more, and not twice as many', 100, 110, false],
    ['twice as many, and not ten more', 3, 6, false],
    ['twice as many, one below', 20, 39, false],
    ['twice as many, exactly', 20, 40, true],
    ['ten more, and more than twice as many', 3, 13, true],
  ])('that was told is told again or not: %s', (_, before, now, again) => {
    const looked = lookAtMatters([told(pending(before), before)], [pending(now)], all, false);
    expect(looked.now).toEqual(again ? [pending(now)] : null);
    expect(looked.opened).toEqual([]);
  });

  it('that has become smaller is told again when it has grown from there', () => {
    const looked = lookAtMatters([told(pending(100), 100)], [pending(5)], all, false);
    expect(looked).toMatchObject({ now: null, shrunk: [pending(5)] });
    expect(lookAtMatters([told(pending(5), 5)], [pending(50)], all, false).now).toEqual([pending(50)]);
  });

  it('that is over is closed, and nothing is told of that', () => {
    const notice = told(quarantine, 1);
    expect(lookAtMatters([notice], [], all, true)).toMatchObject({
      closed: [notice],
      now: null,
      digest: null,
    });
  });

  it('of a kind that the channel does not want is not noticed, and one that was is closed', () => {
    const notice = told(pending(1), 1);
    const looked = lookAtMatters([notice], [pending(1), quarantine], telling(['quarantine']), true);
    expect(looked).toMatchObject({ opened: [quarantine], closed: [notice], now: [quarantine] });
  });

  it('is told apart from others of its kind by guard, by rule, and by which of the two it is', () => {
    const matters = [held(1), held(1, 'last-administrator'), held(1, 'last-administrator', 'policy')];
    expect(new Set(matters.map(subjectOf)).size).toBe(3);
    expect(lookAtMatters([told(held(1), 1)], matters, all, false).now).toEqual(matters.slice(1));
  });
});

describe('A digest', () => {
  const daily = telling(['quarantine'], ['pending-approvals', 'held-changes']);

  it('is sent when it is due and has news, with all that still stands behind it', () => {
    const known = [told(held(4), 4)];
    expect(lookAtMatters(known, [pending(3), held(4)], daily, false).digest).toBeNull();
    expect(lookAtMatters(known, [pending(3), held(4)], daily, true).digest).toEqual({
      news: [pending(3)],
      known: [held(4)],
    });
    expect(lookAtMatters(known, [held(4)], daily, true).digest).toBeNull();
  });

  it('waits for what came between: noticed, and not told before it is due', () => {
    const looked = lookAtMatters([], [pending(3), quarantine], daily, false);
    expect(looked).toMatchObject({ opened: [pending(3), quarantine], now: [quarantine], digest: null });
    expect(lookAtMatters([told(pending(3), null)], [pending(3)], daily, true).digest?.news).toEqual([
      pending(3),
    ]);
  });
});

describe('A message', () => {
  it('of one matter is called after it; of several, by how many there are', () => {
    expect(messageOf([pending(1)]).title).toBe('Harbor · Harbor Okta: 1 change waits for a decision');
    expect(messageOf([pending(1200), quarantine]).title).toBe('2 matters need somebody');
  });

  it('says each matter in a line, with the filter that lists it', () => {
    const apply = ApplyId.parse(v7());
    const expiresAt = new Date('2026-06-01T00:00:00Z');
    const matters: Matter[] = [
      { ...pending(3), sets: { new: 1, changed: 0, deleted: 2, conflict: 0 } } as Matter,
      held(40),
      held(2, 'no contractors', 'policy'),
      { kind: 'overdue-approvals', ...of, amount: 2 },
      quarantine,
      { kind: 'failed-apply', ...of, amount: 2, apply, total: 100, end: 'failed' },
      { kind: 'failed-apply', ...of, amount: 1, apply, total: 1, end: 'given-up' },
      { kind: 'expiring-credential', ...of, amount: 1, key: null, expiresAt },
      { kind: 'expiring-credential', tenant, connection: null, amount: 1, key: 'KEY', expiresAt },
    ];
    const { id } = connection;
    const { lines } = messageOf(matters);
    expect(lines.map(({ text }) => text)).toEqual([
      'Harbor · Harbor Okta: 3 changes wait for a decision (1 new, 2 deleted).',
      'Harbor · Harbor Okta: 40 changes held by the guard too-many-deletions.',
      'Harbor · Harbor Okta: 2 changes held by the policy rule no contractors.',
      'Harbor · Harbor Okta: 2 changes not decided within the deadline.',
      'Harbor · Harbor Okta: quarantined. It fails.',
      'Harbor · Harbor Okta: 2 changes could not be applied (of 100 changes).',
      'Harbor · Harbor Okta: an apply was given up (of 1 change).',
      'Harbor · Harbor Okta: its credential expires on 2026-06-01 00:00 UTC.',
      'Harbor: an API key expires on 2026-06-01 00:00 UTC (KEY).',
    ]);
    expect(lines[3]?.command).toBe(`rollcall changes --connection ${id} --deadline over`);
    expect(lines[1]).toMatchObject({
      path: `/v1/changes?connection=${id}&state=held&guard=too-many-deletions`,
      command: `rollcall changes --connection ${id} --state held --guard too-many-deletions`,
    });
    expect(lines[2]).toMatchObject({
      path: `/v1/changes?connection=${id}&state=held&guard=&rule=no+contractors`,
      command: `rollcall changes --connection ${id} --state held --guard '' --rule 'no contractors'`,
    });
  });

  it('has twenty lines at most, and says how many more there would be', () => {
    const many = Array.from({ length: 25 }, (_, at) => held(1, `guard-${at}`));
    const { lines, more } = messageOf(many.slice(0, 5), many.slice(5));
    expect([lines.length, more]).toEqual([20, 5]);
    expect(lines.filter(({ isNew }) => isNew)).toHaveLength(5);
  });
});
