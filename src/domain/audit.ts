/** The audit log's entries and the chain that makes tampering show. */
import { hash } from 'node:crypto';
import { canonical, type Json } from './canonical.ts';

/**
 * `operator`: somebody with a shell on the server, through the command line. `support`: somebody from above, by a support access.
 * `system`: Rollcall itself (a schedule, a guard).
 */
export const ACTOR_KINDS = ['person', 'operator', 'support', 'system'] as const;

export type Actor = {
  readonly kind: (typeof ACTOR_KINDS)[number];
  /** Of the principal, where there is one; of the support access. */
  readonly id: string | null;
  readonly name: string;
};

export type AuditSubject = {
  readonly kind:
    | 'tenant'
    | 'connection'
    | 'principal'
    | 'api-key'
    | 'session'
    | 'sign-in-provider'
    | 'support-access'
    | 'role'
    | 'product-plan'
    | 'notification-channel'
    | 'run'
    | 'change'
    | 'change-set'
    | 'pair'
    | 'apply'
    | 'auth-user';
  readonly id: string;
};

/** What is appended; number, time and hash come with the appending. Details carry ids and field names, never secrets. */
export type AuditEntry = {
  readonly actor: Actor;
  /** Past tense, as in `connection.created`. */
  readonly action: string;
  readonly subject: AuditSubject;
  readonly details: { readonly [key: string]: Json };
};

/** Hash that the first entry of a chain follows. */
export const START_OF_CHAIN = '0'.repeat(64);

/** SHA-256 over the previous hash and all that this entry says. `at` is ISO 8601 in UTC with milliseconds. */
export function chainHash(previous: string, number: number, at: string, entry: AuditEntry): string {
  const { actor, action, subject, details } = entry;
  return hash('sha256', `${previous}\n${canonical({ number, at, actor, action, subject, details })}`, 'hex');
}
