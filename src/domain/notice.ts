/**
 * What people are told of: matters, each a state of affairs that needs somebody. A channel hears of a matter once, however many runs find
 * it so, and again when it has grown; never that nothing is the matter.
 *
 *   not there --seen--> noticed --told, at once or in the next digest--> told --twice as many--> told again
 *   noticed, told --not there any more--> closed; when it comes back it is another notice
 */
import { minute } from './clock.ts';
import type { ApplyId, ConnectionId, TenantId } from './ids.ts';
import { shellWord } from './shellWord.ts';

export const NOTICE_KINDS = [
  'pending-approvals',
  'held-changes',
  'overdue-approvals',
  'quarantine',
  'failed-apply',
  'expiring-credential',
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** How long before a credential expires somebody is told. */
export const EXPIRES_SOON_MS = 30 * 24 * 3_600_000;

type What =
  | {
      readonly kind: 'pending-approvals';
      readonly sets: Readonly<Record<'new' | 'changed' | 'deleted' | 'conflict', number>>;
    }
  /** `by`: a guard, or a rule of a policy. */
  | { readonly kind: 'held-changes'; readonly by: 'guard' | 'policy'; readonly rule: string }
  | { readonly kind: 'overdue-approvals' }
  | { readonly kind: 'quarantine'; readonly state: string; readonly because: string }
  /** `stopped`: it is paused, because too much fails or the connection is not healthy. */
  | {
      readonly kind: 'failed-apply';
      readonly apply: ApplyId;
      readonly total: number;
      readonly end: 'failed' | 'given-up' | 'stopped';
    }
  | { readonly kind: 'expiring-credential'; readonly key: string | null; readonly expiresAt: Date };

/** A state of affairs that somebody should look at, as it is now. */
export type Matter = What & {
  readonly tenant: { readonly id: TenantId; readonly name: string };
  /** null: of the tenant, and not of one of its connections. */
  readonly connection: { readonly id: ConnectionId; readonly name: string } | null;
  /** How many changes it is about; 1 where nothing is counted. */
  readonly amount: number;
};

/** In ids: the same for as long as it is the same matter. */
export function subjectOf(matter: Matter): string {
  const of = matter.connection?.id ?? matter.tenant.id;
  switch (matter.kind) {
    case 'held-changes':
      return `${of} ${matter.by} ${matter.rule}`;
    case 'failed-apply':
      return matter.apply;
    case 'expiring-credential':
      return matter.key ?? of;
    case 'pending-approvals':
    case 'overdue-approvals':
    case 'quarantine':
      return of;
  }
}

/** What a channel knows of a matter that stood when it was last looked. */
export type Notice = {
  readonly id: string;
  readonly kind: NoticeKind;
  readonly subject: string;
  /** null: not told yet. */
  readonly toldAmount: number | null;
};

/** Of a matter that was told: from how many more on it is told again, however few they were. */
const MANY_MORE = 10;

function isNews(amount: number, told: number | null): boolean {
  return told === null || amount >= Math.max(2 * told, told + MANY_MORE);
}

/** What is to be written of a look around, and what the channel is told. */
export type Looked = {
  /** Matters that were not there the last time. */
  readonly opened: readonly Matter[];
  /** Notices of matters that are over. */
  readonly closed: readonly Notice[];
  /** Matters that were told and have become smaller since: they are told again when they have grown from there. */
  readonly shrunk: readonly Matter[];
  /** What is told now: in a message at once, in a digest, or both; null: nothing is. */
  readonly now: readonly Matter[] | null;
  readonly digest: { readonly news: readonly Matter[]; readonly known: readonly Matter[] } | null;
};

/** @param isDigestDue a digest is sent only where it has news; it then has all that stands. */
export function lookAtMatters(
  known: readonly Notice[],
  matters: readonly Matter[],
  telling: { readonly immediately: readonly NoticeKind[]; readonly inDigest: readonly NoticeKind[] },
  isDigestDue: boolean,
): Looked {
  const key = (kind: NoticeKind, subject: string) => `${kind} ${subject}`;
  const byKey = new Map(known.map((notice) => [key(notice.kind, notice.subject), notice]));
  const noticeOf = (matter: Matter) => byKey.get(key(matter.kind, subjectOf(matter)));
  const wanted = matters.filter(({ kind }) => [...telling.immediately, ...telling.inDigest].includes(kind));
  const news = wanted.filter((matter) => isNews(matter.amount, noticeOf(matter)?.toldAmount ?? null));
  const areNews = new Set(news);
  const now = news.filter(({ kind }) => telling.immediately.includes(kind));
  const inDigest = (of: readonly Matter[]) => of.filter(({ kind }) => telling.inDigest.includes(kind));
  const digested = isDigestDue ? inDigest(news) : [];
  const there = new Set(wanted.map((matter) => key(matter.kind, subjectOf(matter))));
  return {
    opened: wanted.filter((matter) => noticeOf(matter) === undefined),
    closed: known.filter(({ kind, subject }) => !there.has(key(kind, subject))),
    shrunk: wanted.filter((matter) => matter.amount < (noticeOf(matter)?.toldAmount ?? 0)),
    now: now.length === 0 ? null : now,
    digest:
      digested.length === 0
        ? null
        : { news: digested, known: inDigest(wanted).filter((matter) => !areNews.has(matter)) },
  };
}

/** One thing that a message tells: no person is named in it. */
export type Line = {
  readonly kind: NoticeKind;
  readonly text: string;
  /** Path and query of the API that lists the very changes, or shows the thing. */
  readonly path: string;
  /** The command that shows the same. */
  readonly command: string;
  /** Changes whose people a channel that names people names; null: none are. */
  readonly of: {
    readonly connection: ConnectionId;
    readonly state: 'open' | 'held';
    readonly guard: string | null;
    /** Of the policy; missing in messages that were written before there was this. */
    readonly rule?: string | null;
  } | null;
  /** false: it was told before, and still stands. */
  readonly isNew: boolean;
};

export type Message = {
  readonly title: string;
  readonly lines: readonly Line[];
  /** What there was no room for. */
  readonly more: number;
};

/** As many as fit into what chat services take. */
const MOST_LINES = 20;

/** One that is told alone is the title too. What is known stands behind what is new, and is left out first where there is no room. */
export function messageOf(news: readonly Matter[], known: readonly Matter[] = []): Message {
  const [only, ...others] = news;
  const lines = [
    ...news.map((matter) => lineOf(matter, true)),
    ...known.map((matter) => lineOf(matter, false)),
  ];
  const title =
    only !== undefined && others.length === 0
      ? `${whoseIs(only)}: ${inShort(only)}`
      : `${news.length} matters need somebody`;
  return { title, lines: lines.slice(0, MOST_LINES), more: Math.max(0, lines.length - MOST_LINES) };
}

const whoseIs = ({ tenant, connection }: Matter) =>
  connection === null ? tenant.name : `${tenant.name} · ${connection.name}`;

const changes = (count: number) => (count === 1 ? '1 change' : `${count.toLocaleString('en-US')} changes`);
const verb = (count: number, one: string, many: string) => (count === 1 ? one : many);

function inShort(matter: Matter): string {
  const { amount } = matter;
  switch (matter.kind) {
    case 'pending-approvals':
      return `${changes(amount)} ${verb(amount, 'waits', 'wait')} for a decision`;
    case 'held-changes':
      return `${changes(amount)} held by the ${matter.by === 'guard' ? 'guard' : 'policy rule'} ${matter.rule}`;
    case 'overdue-approvals':
      return `${changes(amount)} not decided within the deadline`;
    case 'quarantine':
      return matter.state === 'silent' ? 'no run ends any more' : 'quarantined';
    case 'failed-apply':
      return failedInShort[matter.end](amount);
    case 'expiring-credential':
      return `${matter.key === null ? 'its credential' : 'an API key'} expires on ${minute(matter.expiresAt)}`;
  }
}

const failedInShort = {
  failed: (amount: number) => `${changes(amount)} could not be applied`,
  'given-up': () => 'an apply was given up',
  stopped: () => 'an apply has stopped, because too much fails or the connection is not healthy',
} as const;

/** What its line says beyond the title. */
function inDetail(matter: Matter): string {
  switch (matter.kind) {
    case 'pending-approvals': {
      const counted = Object.entries(matter.sets).filter(([, count]) => count > 0);
      return ` (${counted.map(([set, count]) => `${count.toLocaleString('en-US')} ${set}`).join(', ')})`;
    }
    case 'quarantine':
      return `. ${matter.because}`;
    case 'failed-apply':
      return ` (of ${changes(matter.total)})`;
    case 'expiring-credential':
      return matter.key === null ? '' : ` (${matter.key})`;
    case 'held-changes':
    case 'overdue-approvals':
      return '';
  }
}

function lineOf(matter: Matter, isNew: boolean): Line {
  const text = `${whoseIs(matter)}: ${inShort(matter)}${inDetail(matter)}`;
  return { kind: matter.kind, text: text.endsWith('.') ? text : `${text}.`, ...whereToLook(matter), isNew };
}

/** The same filter for the API and for the command line. */
function whereToLook(matter: Matter): Pick<Line, 'path' | 'command' | 'of'> {
  const connection = matter.connection?.id;
  const listed = (state: 'open' | 'held', held: { readonly guard?: string; readonly rule?: string } = {}) => {
    const query = new URLSearchParams({ connection: connection ?? '', state, ...held });
    const options = Object.entries(held).map(([name, value]) => ` --${name} ${shellWord(value)}`);
    const { guard = null, rule = null } = held;
    return {
      path: `/v1/changes?${query}`,
      command: `rollcall changes --connection ${connection} --state ${state}${options.join('')}`,
      of: connection === undefined ? null : { connection, state, guard, rule },
    };
  };
  switch (matter.kind) {
    case 'pending-approvals':
      return listed('open');
    case 'overdue-approvals':
      return {
        path: `/v1/changes?${new URLSearchParams({ connection: connection ?? '', deadline: 'over' })}`,
        command: `rollcall changes --connection ${connection} --deadline over`,
        of: null,
      };
    case 'held-changes':
      return listed(
        'held',
        matter.by === 'guard' ? { guard: matter.rule } : { guard: '', rule: matter.rule },
      );
    case 'quarantine':
      return {
        path: `/v1/connections/${connection}`,
        command: `rollcall connections test ${connection}`,
        of: null,
      };
    case 'failed-apply':
      return {
        path: `/v1/applies/${matter.apply}`,
        command: `rollcall applies show ${matter.apply}`,
        of: null,
      };
    case 'expiring-credential':
      if (matter.key !== null)
        return {
          path: `/v1/keys?tenant=${matter.tenant.id}`,
          command: `rollcall keys rotate ${matter.key}`,
          of: null,
        };
      return {
        path: `/v1/connections/${connection}`,
        command: `rollcall connections update ${connection} --credentials-file FILE`,
        of: null,
      };
  }
}
