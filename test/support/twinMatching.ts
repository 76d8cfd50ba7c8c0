/** What the twin has for matching and pairs: everybody beside everybody. */
import { emailKey } from '../../src/domain/email.ts';
import type { TwinChange, TwinUser, Values } from './twinState.ts';

/** Expressions are tested one by one. */
type Rule = { readonly by: 'email' | 'employeeId' | 'userName'; readonly confidence: 'certain' | 'likely' };
export type Rules = readonly Rule[];
type Knowledge = {
  readonly matching: Rules;
  readonly verifiedDomains: readonly string[];
  readonly verifiedBelow: ReadonlyMap<string, readonly string[]>;
};
type Named =
  | { readonly cause: string; readonly user: TwinUser }
  | { readonly cause: string; readonly candidates: readonly TwinUser[] };

/** Whom the rules name; null: nobody. */
export function named(users: readonly TwinUser[], wanted: Values, known: Knowledge): Named | null {
  const asked = known.matching.some(({ by }) => by === 'email');
  const rules: Rules = asked ? known.matching : [...known.matching, { by: 'email', confidence: 'likely' }];
  const isFree = (user: TwinUser) => user.externalId === null && !user.linkedElsewhere;
  const sharing = ({ by }: Rule) => {
    const said = key(by, wanted);
    return users.filter((user) => user.state !== 'deleted' && said !== null && key(by, user.fields) === said);
  };
  const hits = (rule: Rule) => sharing(rule).filter((user) => rule.by === 'email' || isFree(user));
  const first = rules.find((rule) => hits(rule).length > 0);
  if (first === undefined) return null;
  const weighty = rules.filter(
    (rule) => rule === first || rule.confidence === 'certain' || rule.by === 'email',
  );
  const meant = users.filter((user) => weighty.some((rule) => hits(rule).includes(user)));
  const candidates = users.filter((user) => rules.some((rule) => hits(rule).includes(user)));
  const [only] = meant;
  if (only === undefined || meant.length > 1) return { cause: 'several-candidates', candidates };
  if (!isFree(only)) return { cause: 'address-taken', candidates };
  const isSafe = (by: Rule['by'], { place }: TwinUser) => {
    if (by === 'employeeId') return place === null;
    const value = wanted[by === 'email' ? 'email' : 'userName'];
    const address = typeof value === 'string' ? emailKey(value) : null;
    if (address === null) return place === null;
    const domains = place === null ? known.verifiedDomains : known.verifiedBelow.get(place);
    const isVerified = domains?.some((domain) => address.endsWith(`@${domain}`)) ?? false;
    return isVerified && (by === 'email' || place === null);
  };
  const hitting = rules.filter((rule) => hits(rule).includes(only));
  const believed = hitting.find(({ by, confidence }) => confidence === 'certain' && isSafe(by, only));
  const others = users.filter((user) => !isFree(user) && rules.some((rule) => sharing(rule).includes(user)));
  if (believed !== undefined && others.length > 0)
    return { cause: 'several-candidates', candidates: [...candidates, ...others] };
  if (believed !== undefined)
    return { cause: believed.by === 'email' ? 'matched-by-email' : 'matched-by-rule', user: only };
  const isMail = hitting.every(({ by, confidence }) => by === 'email' && confidence === 'certain');
  return { cause: isMail ? 'address-unverified' : 'match-unsure', candidates };
}

function key(by: Rule['by'], fields: Values): string | null {
  const value = fields[by];
  if (by === 'email') return typeof value === 'string' ? emailKey(value) : null;
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.length <= 200 ? value.toLowerCase() : null;
}

const WAITS = ['open', 'approved', 'held', 'moved', 'failed'];

/** Changes of those who come, leave or are away and may be one person. What more than three share says nothing. */
export function inPairs(live: readonly TwinChange[], users: readonly TwinUser[]): readonly TwinChange[] {
  const waiting = live.filter(({ state }) => WAITS.includes(state));
  const comers = waiting.filter(({ kind, user }) => ['create', 'conflict'].includes(kind) && user === null);
  const leavers = waiting.flatMap((change) => {
    const user = users.find(({ label }) => label === change.user);
    return user !== undefined && ['suspend', 'delete'].includes(change.kind)
      ? [{ externalId: change.externalId, user }]
      : [];
  });
  const away = users.flatMap((user) =>
    user.externalId !== null && user.state !== 'active' && !waiting.some((one) => one.user === user.label)
      ? [{ externalId: user.externalId, user }]
      : [],
  );
  const gone = [...leavers, ...away];
  const paired = new Set(KINDS.flatMap((what) => sharing(what, comers, gone)));
  return waiting.filter(
    ({ externalId, kind, state }) =>
      paired.has(externalId) &&
      ['create', 'suspend', 'delete'].includes(kind) &&
      ['open', 'held', 'approved'].includes(state),
  );
}

const KINDS = ['employeeId', 'address', 'name and manager'] as const;
type Kind = (typeof KINDS)[number];

function sharing(
  what: Kind,
  comers: readonly TwinChange[],
  gone: readonly { readonly externalId: string; readonly user: TwinUser }[],
): readonly string[] {
  const ofComer = ({ after }: TwinChange) => (after === null ? null : evidence(what, after.fields));
  return comers.flatMap((comer) => {
    const said = ofComer(comer);
    const alike = comers.filter((one) => ofComer(one) === said);
    const found = gone.filter(({ user }) => evidence(what, user.fields) === said);
    if (said === null || alike.length > 3 || found.length > 3) return [];
    const others = found.map(({ externalId }) => externalId).filter((one) => one !== comer.externalId);
    return others.length === 0 ? [] : [comer.externalId, ...others];
  });
}

function evidence(what: Kind, fields: Values): string | null {
  if (what === 'address') return key('email', fields);
  const { employeeId = null, displayName = null, manager = null } = fields;
  if (what === 'employeeId')
    return employeeId === null
      ? null
      : (typeof employeeId === 'string' ? employeeId : JSON.stringify(employeeId)).toLowerCase();
  return displayName === null || manager === null ? null : JSON.stringify([displayName, manager]);
}
