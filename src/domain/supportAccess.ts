/**
 * Somebody from above looks into a tenant for a limited time, because the tenant lets them.
 *
 *   requested ──grant──▶ granted ──end, or when its time is up──▶ ended
 *       └──refuse, or taken back by who asked──▶ refused
 *
 * An invitation is granted from the start. What has ended stays so: whoever needs more time asks again.
 */
import { z } from 'zod';
import type { Actor } from './audit.ts';
import type { PrincipalId, TenantId } from './ids.ts';

export const SupportAccessId = z.uuid().brand<'SupportAccessId'>();
export type SupportAccessId = z.infer<typeof SupportAccessId>;

export const SUPPORT_STATES = ['requested', 'granted', 'refused', 'ended'] as const;
export type SupportState = (typeof SUPPORT_STATES)[number];

/** For how long an access is asked for unless something else is said; an install says how long it may be at most. */
export const USUAL_SUPPORT_MINUTES = 60;

export type SupportAccess = {
  readonly id: SupportAccessId;
  /** With all below it. */
  readonly tenant: TenantId;
  /** Whose it is: of this tenant or one above, whom the tenant cannot look up. */
  readonly principal: PrincipalId;
  /** What that principal is called. */
  readonly name: string;
  readonly state: SupportState;
  readonly mayWrite: boolean;
  readonly reason: string;
  readonly minutes: number;
  readonly requestedAt: Date;
  /** Who granted or refused it; who asked, where they took it back. null: nobody yet. */
  readonly decidedBy: Actor | null;
  readonly decidedAt: Date | null;
  /** null: it was never granted. */
  readonly expiresAt: Date | null;
  /** null with `ended`: its time was up. */
  readonly endedBy: Actor | null;
  readonly endedAt: Date | null;
};

/** In which state what can be done. */
export const allowedIn = {
  grant: ['requested'],
  refuse: ['requested'],
  end: ['requested', 'granted'],
  use: ['granted'],
} as const satisfies Record<string, readonly SupportState[]>;

export type SupportVerb = keyof typeof allowedIn;

export function isAllowed(verb: SupportVerb, { state }: SupportAccess): boolean {
  return (allowedIn[verb] as readonly SupportState[]).includes(state);
}

/** As it is at this time: what was granted ends when its time is up, without anybody writing it down. */
export function asOf(access: SupportAccess, now: Date): SupportAccess {
  const { state, expiresAt } = access;
  if (state !== 'granted' || expiresAt === null || expiresAt > now) return access;
  return { ...access, state: 'ended', endedAt: expiresAt };
}
