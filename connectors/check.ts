/**
 * The course of `rollcall connections test`: a connector lists what it tries, in the order of a pull, and each attempt becomes
 * steps that say what was found, or who has to do what. Reaching the provider and having the credential accepted are settled by
 * the first attempt, whatever it is.
 */
import type { ExternalId } from '../src/domain/ids.ts';
import {
  type CheckStep,
  type Connector,
  ConnectorError,
  type ConnectorFailure,
  type Cursor,
  type FailureKind,
  type FoundUser,
  type Page,
  type UserRecord,
} from './contract.ts';

type Step = CheckStep['step'];

/** What an attempt found. With a remedy it counts as failed although nothing was refused (a list that should hold somebody). */
export type Found = { readonly detail: string; readonly remedy?: string };

export type Attempt = {
  readonly step: Exclude<Step, 'reach' | 'credential' | 'permission'>;
  /**
   * The exact name of the permission that it needs: a step of its own, before this one. Named by several attempts, it is
   * reported once.
   */
  readonly permission?: string;
  /** Steps without which this one is pointless: it is left out unless all of them have passed. */
  readonly after?: readonly Attempt['step'][];
  /** Makes it optional: one sentence on what does not work when it fails, while a full pull still does. */
  readonly without?: string;
  /** Throws ConnectorError where it fails; null where there is nothing to try it on. */
  attempt(): Promise<Found | null>;
};

/** What a failure of the very first request says about the two steps before all others. */
const blamed = {
  unavailable: 'reach',
  'untrusted-certificate': 'reach',
  misconfigured: 'reach',
  'rate-limited': 'reach',
  'credentials-rejected': 'credential',
  'permission-missing': null,
  'foreign-link': null,
  'unexpected-response': null,
  'not-found': null,
  'cursor-expired': null,
} as const satisfies Record<FailureKind, Step | null>;

/** `title`: what people call the provider. Ends where it cannot be reached or does not take the credential. */
export async function* checkInSteps(title: string, attempts: readonly Attempt[]): AsyncIterable<CheckStep> {
  const passed = new Set<string>();
  for (const one of attempts) {
    if (one.after?.some((step) => !passed.has(step))) continue;
    const outcome = await tried(one.attempt());
    const contact = passed.has('credential') ? [] : contactSteps(title, outcome);
    yield* contact;
    if (contact.some(({ ok }) => !ok)) return;
    const own = ownSteps(one, outcome, passed);
    yield* own;
    for (const name of passedBy([...contact, ...own])) passed.add(name);
  }
}

function passedBy(steps: readonly CheckStep[]): readonly string[] {
  return steps.filter(({ ok }) => ok).map(({ step, detail }) => (step === 'permission' ? detail : step));
}

/** A setting that the provider itself calls wrong, in an answer that bears its mark: it was reached. */
function isOwnWord({ kind, requestId }: ConnectorFailure): boolean {
  return kind === 'misconfigured' && requestId !== undefined;
}

function contactSteps(title: string, outcome: Tried<unknown>): readonly CheckStep[] {
  const broken = outcome.ok || isOwnWord(outcome.failure) ? null : blamed[outcome.failure.kind];
  if (!outcome.ok && broken === 'reach') return [failed('reach', outcome.failure)];
  const reached: CheckStep = { step: 'reach', ok: true, detail: `${title} answers.` };
  if (!outcome.ok && broken === 'credential') return [reached, failed('credential', outcome.failure)];
  return [reached, { step: 'credential', ok: true, detail: `${title} accepts the credential.` }];
}

function ownSteps(
  { step, permission, without }: Attempt,
  outcome: Tried<Found | null>,
  passed: ReadonlySet<string>,
): readonly CheckStep[] {
  const optional = without === undefined ? {} : { optional: true as const };
  const unreported = permission === undefined || passed.has(permission) ? [] : [permission];
  const permissions = (how: { ok: boolean; remedy?: string }): CheckStep[] =>
    unreported.map((detail) => ({ step: 'permission', detail, ...how, ...optional }));
  if (outcome.ok) {
    const found = outcome.value;
    const own = found === null ? [] : [{ step, ok: found.remedy === undefined, ...found, ...optional }];
    return [...permissions({ ok: true }), ...own];
  }
  const { failure } = outcome;
  const missing =
    failure.kind === 'permission-missing' ? permissions({ ok: false, remedy: failure.remedy }) : [];
  if (without === undefined) return missing.length > 0 ? missing : [failed(step, failure)];
  const own = { ...failed(step, failure), detail: `${without} ${failure.message}`, ...optional };
  return [...missing, own];
}

/** What every directory is tried with. Each attempt keeps one of those whom it met, on whom later ones are tried. */
export class Trial {
  readonly #connector: Connector;
  readonly #signal: AbortSignal;
  #user: ExternalId | null = null;
  #group: ExternalId | null = null;

  constructor(connector: Connector, signal: AbortSignal) {
    this.#connector = connector;
    this.#signal = signal;
  }

  readonly groups: Attempt = {
    step: 'groups',
    attempt: async () => {
      const groups = await firstRecords((cursor) => this.#connector.fetchGroups(cursor, this.#signal));
      this.#group = groups.find((record) => record.kind === 'group')?.group.externalId ?? null;
      return { detail: counted('Groups', groups) };
    },
  };

  readonly members: Attempt = {
    step: 'members',
    after: ['groups'],
    attempt: async () => {
      if (this.#group === null) return null;
      const { records } = await this.#connector.fetchMembers(this.#group, null, this.#signal);
      return { detail: counted('Members of one group', records) };
    },
  };

  /** The first that are listed, `from` this place on. */
  async users(from: Cursor | null = null): Promise<readonly UserRecord[]> {
    return this.met(await firstRecords((cursor) => this.#connector.fetchUsers(cursor ?? from, this.#signal)));
  }

  /** For a connector that has listed them in a way of its own. */
  met(users: readonly UserRecord[]): readonly UserRecord[] {
    this.#user = users.find((record) => record.kind === 'user')?.user.externalId ?? null;
    return users;
  }

  /** One user alone; `groups: null` with all their groups, `[]` without any. */
  lookUp(
    groups: null | readonly [],
    tell: (found: FoundUser | undefined) => Found | null,
  ): Attempt['attempt'] {
    return async () => {
      const { lookUp } = this.#connector;
      if (this.#user === null || lookUp === null) return null;
      const [found] = await lookUp([this.#user], groups, this.#signal);
      return tell(found);
    };
  }

  /** From now on, which is a page without anybody; `detail` says what that shows. */
  changes(detail: string): Attempt['attempt'] {
    return async () => {
      const { changes } = this.#connector;
      if (changes === null) return null;
      await changes.fetch(await changes.begin(this.#signal), null, this.#signal);
      return { detail };
    };
  }
}

/** There should be somebody; `remedy` is for where nobody is shown. */
export function somebody(users: readonly UserRecord[], remedy: string): Found {
  const detail = counted('Users', users);
  return users.length > 0 ? { detail } : { detail, remedy };
}

/** The records of the first page that holds any: a page may be empty and still have a next one, but not one that was empty before. */
async function firstRecords<T>(
  fetchPage: (cursor: Cursor | null) => Promise<Page<T>>,
): Promise<readonly T[]> {
  const visited = new Set<Cursor>();
  let page = await fetchPage(null);
  while (page.records.length === 0 && page.next !== null) {
    if (visited.has(page.next)) throw new ConnectorError(leadsInACircle);
    visited.add(page.next);
    page = await fetchPage(page.next);
  }
  return page.records;
}

const leadsInACircle: ConnectorFailure = {
  kind: 'unexpected-response',
  message: 'The provider sent a page link that it had sent before: reading on would never end.',
  remedy: 'Try again later; if it stays, report it to the provider.',
};

/** `what` begins the sentence: "Users". */
export function counted(what: string, records: readonly { readonly kind: string }[]): string {
  const unread = records.filter((record) => record.kind === 'unreadable').length;
  return `${what} on the first page: ${records.length}${unread === 0 ? '' : `, not understood: ${unread}`}.`;
}

type Tried<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: ConnectorFailure };

async function tried<T>(attempt: Promise<T>): Promise<Tried<T>> {
  try {
    return { ok: true, value: await attempt };
  } catch (error) {
    if (error instanceof ConnectorError) return { ok: false, failure: error.failure };
    throw error;
  }
}

function failed(step: Step, { message, remedy }: ConnectorFailure): CheckStep {
  return { step, ok: false, detail: message, remedy };
}
