/** What the sections of the suite share: connectors that are closed again, clean failures, whole chains of pages. */
import { inspect } from 'node:util';
import { expect } from 'vitest';
import type { ExternalId } from '../../src/domain/ids.ts';
import {
  type Connector,
  ConnectorError,
  type Cursor,
  type FailureKind,
  type Page,
  type UserRecord,
} from '../contract.ts';
import type { SessionTuning } from '../session.ts';
import type { Can, Control, Shown, Simulated } from './source.ts';

/** Given to each section when the suite is collected; connectors and control are there once it runs. */
export type Suite = {
  readonly abilities: Shown['abilities'];
  readonly can: Can;
  readonly brokenPagesAre: FailureKind;
  /** A new instance that does not really wait, unless for an answer; closed after the test. */
  connect(tuning?: SessionTuning): Connector;
  control(): Control;
  /** What the work failed with: a ConnectorError without secrets or personal data, with a message and a remedy. */
  failing(work: Promise<unknown>): Promise<ConnectorError['failure']>;
};

export const never = new AbortController().signal;

/** Does not really wait: the clock moves by what would have been slept. */
export function impatient(): SessionTuning {
  let ahead = 0;
  const sleep = async (ms: number) => {
    ahead += ms;
  };
  return { timeoutMs: 10_000, maxRetries: 2, clock: () => Date.now() + ahead, sleep };
}

/** A verb that the source has not, but that a test needs, says so. */
export function completed(control: Simulated['control']): Control {
  const missing = (verb: string) => async () =>
    expect.unreachable(`the source has no control "${verb}": put what needs it into \`cannot\``);
  return {
    state: () => control.state(),
    fault: control.fault ?? missing('fault'),
    clearFaults: control.clearFaults ?? (async () => {}),
    resetCounters: control.resetCounters ?? missing('resetCounters'),
    expireTokens: control.expireTokens ?? missing('expireTokens'),
    hire: control.hire ?? missing('hire'),
    rename: control.rename ?? missing('rename'),
    leave: control.leave ?? missing('leave'),
    restore: control.restore ?? missing('restore'),
    changeGroup: control.changeGroup ?? missing('changeGroup'),
  };
}

export async function failureWithout(secrets: readonly string[], work: Promise<unknown>) {
  const error = await work.then(
    () => expect.unreachable('it should have failed'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectorError)) throw error;
  const told = [inspect(error, { depth: 12, showHidden: true }), JSON.stringify(error), error.stack].join(
    '\n',
  );
  for (const secret of secrets) expect(told).not.toContain(secret);
  expect(told).not.toMatch(/Bearer |SSWS |eyJ[\w-]{16}|@[\w-]+\.(?:example|com|org|net|test)\b|<html/i);
  expect(error.failure.message).not.toBe('');
  expect(error.failure.remedy).not.toBe('');
  return error.failure;
}

type Fetch<T> = (cursor: Cursor | null) => Promise<Page<T>>;

export async function pagesOf<T>(fetch: Fetch<T>): Promise<Page<T>[]> {
  const pages: Page<T>[] = [];
  let cursor: Cursor | null = null;
  do {
    expect(pages.length, 'pages without an end').toBeLessThan(10_000);
    const page: Page<T> = await fetch(cursor);
    pages.push(page);
    cursor = page.next;
  } while (cursor !== null);
  return pages;
}

export const usersOf = (connector: Connector) => pagesOf((cursor) => connector.fetchUsers(cursor, never));
export const idOf = (record: UserRecord) =>
  record.kind === 'user' ? record.user.externalId : record.externalId;
export const idsIn = (pages: readonly Page<UserRecord>[]) => pages.flatMap((page) => page.records.map(idOf));

export async function secondPage(connector: Connector): Promise<Page<UserRecord>> {
  const first = await connector.fetchUsers(null, never);
  return connector.fetchUsers(first.next, never);
}

export type GroupMembers = {
  readonly group: ExternalId;
  readonly members: readonly ExternalId[];
  /** The whole directory is in it. */
  readonly everyone: boolean;
  /** How many records each page held. */
  readonly pages: readonly number[];
};

export async function membersOf(connector: Connector, group: ExternalId): Promise<GroupMembers> {
  const pages = await pagesOf((cursor) => connector.fetchMembers(group, cursor, never));
  const records = pages.flatMap((page) => page.records);
  const members = records.flatMap((record) => (record.kind === 'user' ? [record.externalId] : []));
  const everyone = records.some((record) => record.kind === 'everyone');
  return { group, members, everyone, pages: pages.map((page) => page.records.length) };
}

export async function groupIdsOf(connector: Connector): Promise<readonly ExternalId[]> {
  const pages = await pagesOf((cursor) => connector.fetchGroups(cursor, never));
  return pages
    .flatMap((page) => page.records)
    .map((record) =>
      record.kind === 'group' ? record.group.externalId : expect.unreachable('a group cannot be read'),
    );
}
