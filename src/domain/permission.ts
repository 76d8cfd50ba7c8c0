/**
 * Who may do what. Each principal has one role within one tenant; it holds there and in all tenants below. A key may be narrower than
 * its principal, in where it holds and in what it may; a support access is narrower than its tenant's administrators.
 */
import type { Actor } from './audit.ts';
import type { PrincipalId, TenantId } from './ids.ts';
import { Problem } from './problem.ts';

export const PRINCIPAL_ROLES = [
  'system',
  'tenant-administrator',
  'reviewer',
  'auditor',
  'support',
  'application',
] as const;
export type PrincipalRole = (typeof PRINCIPAL_ROLES)[number];

const supportAccess = ['support.read', 'support.request', 'support.decide', 'support.end'] as const;

export const ACTIONS = [
  'tenants.read',
  'tenants.write',
  'connections.read',
  'connections.write',
  'runs.read',
  'runs.start',
  'changes.read',
  'changes.decide',
  'changes.apply',
  'guards.override',
  'users.read',
  'users.write',
  'roles.read',
  'roles.write',
  'principals.read',
  'principals.write',
  'audit.read',
  'events.read',
  'authorization.read',
  'tokens.create',
  'sign-in.read',
  'sign-in.write',
  'notifications.read',
  'notifications.write',
  ...supportAccess,
] as const;
export type Action = (typeof ACTIONS)[number];

const reading = [
  'tenants.read',
  'connections.read',
  'runs.read',
  'changes.read',
  'users.read',
  'roles.read',
  'events.read',
] as const;

/** Roles and domains are the whole install's, so only the system writes them. */
export const allowedTo = {
  system: ACTIONS,
  'tenant-administrator': [
    ...reading,
    'tenants.write',
    'connections.write',
    'runs.start',
    'changes.decide',
    'changes.apply',
    'guards.override',
    'users.write',
    'principals.read',
    'principals.write',
    'audit.read',
    'authorization.read',
    'sign-in.read',
    'sign-in.write',
    'notifications.read',
    'notifications.write',
    ...supportAccess,
  ],
  reviewer: [...reading, 'runs.start', 'changes.decide', 'changes.apply'],
  auditor: [
    ...reading,
    'principals.read',
    'audit.read',
    'authorization.read',
    'sign-in.read',
    'notifications.read',
    'support.read',
  ],
  /** Nothing of a tenant's until it is granted there for a time. Of accesses, a support person sees and ends their own. */
  support: ['support.read', 'support.request', 'support.end'],
  /** A machine that asks who somebody is and what they may do. */
  application: [
    'tenants.read',
    'users.read',
    'roles.read',
    'events.read',
    'authorization.read',
    'tokens.create',
  ],
} as const satisfies Record<PrincipalRole, readonly Action[]>;

export function mayDo(role: PrincipalRole, action: Action): boolean {
  return (allowedTo[role] as readonly Action[]).includes(action);
}

/** What stays with a tenant's administrators, whatever they grant: who else comes in, and who hears of the tenant from then on. */
const neverSupport: readonly Action[] = [
  'principals.write',
  'sign-in.write',
  'notifications.write',
  ...supportAccess,
];

/** What somebody may do in a tenant during a support access: look, as an auditor does; with `mayWrite` nearly what its administrators do. */
export function allowedToSupport(mayWrite: boolean): readonly Action[] {
  const most: readonly Action[] = allowedTo[mayWrite ? 'tenant-administrator' : 'auditor'];
  return most.filter((action) => !neverSupport.includes(action));
}

/**
 * What the key of a principal with this role can be made for. A support person's may name what an access is for as well: it then
 * narrows what is done during one.
 */
export function keyMayName(role: PrincipalRole): readonly Action[] {
  const own: readonly Action[] = allowedTo[role];
  return role === 'support' ? [...own, ...allowedToSupport(true)] : own;
}

/**
 * On whose behalf a use case runs: what it may see is the subtree of `tenant`, what it may do is in `permissions`. During a support
 * access `actor` is the access, and `principal` the person who uses it.
 */
export type Caller = {
  readonly principal: PrincipalId;
  readonly tenant: TenantId;
  readonly role: PrincipalRole;
  /** Those of the role, or fewer. */
  readonly permissions: readonly Action[];
  /** What the key that was shown leaves of any permissions, those of a support access too; null: all. */
  readonly narrowedTo: readonly Action[] | null;
  readonly actor: Actor;
};

/** null: as the principal. */
export type Narrowed = {
  readonly tenant: TenantId | null;
  readonly permissions: readonly Action[] | null;
};

const asPrincipal: Narrowed = { tenant: null, permissions: null };

/**
 * The caller that a principal is, by a key that may be narrower. Below the root there is no `system`: what is the whole install's is
 * not within one tenant, so such a key makes its principal that tenant's administrator.
 */
export function callerOf(
  principal: {
    readonly id: PrincipalId;
    readonly tenant: TenantId;
    readonly role: PrincipalRole;
    readonly name: string;
  },
  kind: 'person' | 'operator',
  { tenant, permissions }: Narrowed = asPrincipal,
): Caller {
  const at = tenant ?? principal.tenant;
  const role =
    principal.role === 'system' && at !== principal.tenant ? 'tenant-administrator' : principal.role;
  return {
    principal: principal.id,
    tenant: at,
    role,
    permissions: allowedTo[role].filter((action) => permissions?.includes(action) ?? true),
    narrowedTo: permissions,
    actor: { kind, id: principal.id, name: principal.name },
  };
}

/** The caller that somebody is during a support access of theirs. */
export function callerDuring(
  access: {
    readonly id: string;
    readonly tenant: TenantId;
    readonly name: string;
    readonly mayWrite: boolean;
  },
  { principal, narrowedTo }: Caller,
): Caller {
  const granted = allowedToSupport(access.mayWrite);
  return {
    principal,
    tenant: access.tenant,
    role: 'support',
    permissions: granted.filter((action) => narrowedTo?.includes(action) ?? true),
    narrowedTo,
    actor: { kind: 'support', id: access.id, name: access.name },
  };
}

export function can(caller: Caller, action: Action): boolean {
  return caller.permissions.includes(action);
}

/** Hidden roles are the system's alone to see: tenants are not to know that there are any. */
export function seesHidden({ role }: Pick<Caller, 'role'>): boolean {
  return role === 'system';
}

/** Throws `forbidden` unless the caller may do this. Which rows it may touch is the store's business. */
export function authorise(caller: Caller, action: Action): void {
  if (can(caller, action)) return;
  if (caller.actor.kind === 'support') {
    throw new Problem({
      code: 'forbidden',
      message: `This support access does not include ${action}.`,
      remedy: allowedToSupport(true).includes(action)
        ? 'Ask for a support access that may write, or use a key that leaves this in.'
        : 'Ask an administrator of the tenant: no support access includes it.',
    });
  }
  if (mayDo(caller.role, action)) {
    throw new Problem({
      code: 'forbidden',
      message: `This key does not include ${action}, although the role ${caller.role} does.`,
      remedy: 'Use another key, or have one made that includes it.',
    });
  }
  const able = PRINCIPAL_ROLES.filter((role) => mayDo(role, action));
  throw new Problem({
    code: 'forbidden',
    message: `The role ${caller.role} does not include ${action}.`,
    remedy: `Ask somebody with one of these roles: ${able.join(', ')}.`,
  });
}
