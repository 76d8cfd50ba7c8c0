/** What a connection allows: the guards' limits, and whom they look after one by one. */
import { z } from 'zod';
import { ApplyPolicy } from './applyPolicy.ts';
import { Leavers } from './leavers.ts';
import { Matching } from './matching.ts';
import { ReviewRules } from './reviewRules.ts';
import { RoleName } from './role.ts';
import { UsualHours } from './timeZone.ts';

const percent = z.number().min(0).max(100);

export const Policy = z
  .strictObject({
    guards: z
      .strictObject({
        /** Suspensions and deletions together, of the users that the connection's directory has linked. */
        deletedPercent: percent.default(10),
        /** So many are allowed whatever the percentage says, so that a small directory can lose somebody. */
        deletedAtLeast: z.number().int().min(0).default(5),
        /**
         * So much may have been suspended and deleted within the window, what waits and what was applied together: whoever leaves a few
         * at a time is seen as well. The floor is `deletedAtLeast`.
         */
        deletedInWindowPercent: percent.default(20),
        /** How far the window reaches back. */
        windowHours: z.number().int().min(1).max(8_760).default(168),
        /** Users who lose at least one role, likewise. */
        lostRolesPercent: percent.default(20),
        lostRolesAtLeast: z.number().int().min(0).default(5),
        /** Users who are put in another tenant, likewise. */
        movedPercent: percent.default(20),
        movedAtLeast: z.number().int().min(0).default(5),
        /** How far the directory may have shrunk since the last complete snapshot before all its deletions are held. */
        shrunkenPercent: percent.default(25),
        /**
         * People of one domain, organisational unit or group who would leave it by suspensions, deletions and lost roles, of those whom
         * it had: a part may be gone although the directory as a whole has hardly shrunk.
         */
        partPercent: percent.default(40),
        partAtLeast: z.number().int().min(0).default(10),
        /**
         * Users who change in any way, likewise. Whoever comes or comes back does not count, so that a first run, or a return after
         * a mistake, is not held.
         */
        changedPercent: percent.default(50),
        changedAtLeast: z.number().int().min(0).default(20),
        /** Users who lose the value of one and the same field. */
        blankedPercent: percent.default(10),
        blankedAtLeast: z.number().int().min(0).default(5),
      })
      .prefault({}),
    /** Whoever of these would be suspended, be deleted or lose roles waits for a person, always. */
    protected: z
      .strictObject({
        /** Auth users' ids, addresses or user names. */
        users: z.array(z.string().trim().min(1).max(320)).max(1_000).default([]),
        /** Everybody who has one of these, wherever from. */
        roles: z.array(RoleName).max(100).default([]),
      })
      .prefault({}),
    /**
     * Roles that the last active user who has one in a tenant keeps until a person decides. Of the roles that administer (see
     * `administers` in role.ts) together that is so without being said.
     */
    keepOneOf: z.array(RoleName).max(100).default([]),
    matching: Matching,
    /** What is decided on changes without a person, and who has to approve; after the rules of the tenants above. */
    rules: ReviewRules.default([]),
    apply: ApplyPolicy.prefault({}),
    leavers: Leavers,
    /** Who leaves and who comes, where they may be one person: held until somebody says so, or only shown. */
    samePerson: z.enum(['hold', 'show']).default('hold'),
    /** In the connection's time zone. What changes at another hour is a risk; null: hours say nothing. */
    usualHours: UsualHours.nullable().default(null),
  })
  .meta({ id: 'Policy' });
export type Policy = z.infer<typeof Policy>;
export type GuardLimits = Policy['guards'];
