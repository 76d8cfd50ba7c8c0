/** Why a run or a test of a connection may fail, and who has to act on it. docs/errors.md lists every kind (a test holds it). */
import { type ProblemCode, problemCodes } from './problem.ts';
import type { PartialReason } from './snapshot.ts';

/** `operator`: whoever runs this Rollcall. `developer`: whoever makes it. */
type Mender = 'nobody' | 'administrator' | 'operator' | 'developer';

/** What a connector says of the provider. `nobody`: it passes by itself. */
export const connectorFailures = {
  'rate-limited': 'nobody',
  unavailable: 'nobody',
  'cursor-expired': 'nobody',
  'not-found': 'nobody',
  'credentials-rejected': 'administrator',
  'permission-missing': 'administrator',
  'untrusted-certificate': 'administrator',
  misconfigured: 'administrator',
  'unexpected-response': 'developer',
  'foreign-link': 'developer',
} as const satisfies Record<string, Mender>;

/** What else ends a run, besides the codes of problem.ts. */
export const runFailures = {
  'too-old': 'nobody',
  'configuration-changed': 'nobody',
  'full-asked-for': 'nobody',
  'took-too-long': 'operator',
  'worker-killed': 'operator',
  'unreadable-job': 'developer',
  'unexpected-error': 'developer',
} as const satisfies Record<string, Mender>;

/** Seen from an administrator of the tenant: `us` is whoever runs this Rollcall, or makes it. */
export type WhoActs = 'nobody' | 'administrator' | 'us';

const WHO = {
  nobody: 'nobody',
  administrator: 'administrator',
  operator: 'us',
  developer: 'us',
  caller: 'administrator', // nobody called: it is the connection, as an administrator has it, that asks for what cannot be
} as const satisfies Record<Mender | (typeof problemCodes)[ProblemCode], WhoActs>;

const MENDERS: ReadonlyMap<string, keyof typeof WHO> = new Map(
  Object.entries({ ...problemCodes, ...runFailures, ...connectorFailures }),
);

/** A kind that an older version has recorded and that this one does not know is ours to look at. */
export function whoActsOn(kind: string): WhoActs {
  return WHO[MENDERS.get(kind) ?? 'developer'];
}

export const whoActsOnPartial = {
  'page-failed': 'nobody',
  'looping-cursor': 'us',
  'empty-directory': 'administrator',
  'nameless-record': 'us',
  'rows-missing': 'us',
  'fewer-than-counted': 'nobody',
  'listing-incomplete': 'nobody',
  'permission-lost': 'administrator',
  'evidence-missing': 'nobody',
} as const satisfies Record<PartialReason, WhoActs>;

/** Runs that ended because somebody meant another: they say nothing of the directory. */
export const SAYS_NOTHING: readonly string[] = [
  'too-old',
  'configuration-changed',
  'full-asked-for',
  'not-allowed-now',
  'tenant-suspended',
] satisfies (ProblemCode | keyof typeof runFailures)[];
