/** What the API is given: what its use cases take, and what only an edge needs. */
import type { TokenDeps } from '../authorization/userToken.ts';
import type { ApplyId, ConnectionId, RunId, TenantId } from '../domain/ids.ts';
import type { Logger } from '../log.ts';
import type { NotificationDeps } from '../notifications/deps.ts';
import type { ApplyDeps } from '../review/apply.ts';
import type { AuditDeps } from '../review/audit.ts';
import type { ReviewDeps } from '../review/changes.ts';
import type { DecideDeps } from '../review/decide.ts';
import type { SignInDeps } from '../signIn/deps.ts';
import type { RunDeps } from '../sync/runs.ts';
import type { ConnectionDeps } from '../tenancy/connections.ts';
import type { DomainClaimDeps } from '../tenancy/domainClaims.ts';
import type { PrincipalDeps } from '../tenancy/principals.ts';
import type { RoleDeps } from '../tenancy/roles.ts';
import type { SupportDeps } from '../tenancy/supportAccess.ts';
import type { TenantDeps } from '../tenancy/tenants.ts';
import type { UserDeps } from '../tenancy/users.ts';

export type ApiDeps = TenantDeps &
  DomainClaimDeps &
  UserDeps &
  RoleDeps &
  PrincipalDeps &
  SupportDeps &
  ConnectionDeps &
  RunDeps &
  ReviewDeps &
  DecideDeps &
  ApplyDeps &
  AuditDeps &
  SignInDeps &
  TokenDeps &
  NotificationDeps & {
    readonly log: Logger;
    /** Puts a recorded run, or a recorded apply, on the queue. Again changes nothing. */
    readonly enqueueRun: (work: { run: RunId; connection: ConnectionId; tenant: TenantId }) => Promise<void>;
    readonly enqueueApply: (work: { apply: ApplyId }) => Promise<void>;
    /** Each part that Rollcall needs, with a probe that rejects when the part cannot be used. */
    readonly readiness: Readonly<Record<'database' | 'queue', () => Promise<unknown>>>;
  };
