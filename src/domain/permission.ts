/** Who may do what. Each principal has one role within one tenant; it holds there and in all tenants below. */
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
  'support.request',
  'support.decide',
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
    'users.write',
    'principals.read',
    'principals.write',
    'audit.read',
    'authorization.read',
    'sign-in.read',
    'sign-in.write',
    'support.decide',
  ],
  reviewer: [...reading, 'runs.start', 'changes.decide', 'changes.apply'],
  auditor: [...reading, 'principals.read', 'audit.read', 'authorization.read', 'sign-in.read'],
  /** Nothing of a tenant's until it is granted there for a time. */
  support: ['support.request'],
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

/** On whose behalf a use case runs: what it may see is the subtree of `tenant`, what it may do follows from `role`. */
export type Caller = {
  readonly principal: PrincipalId;
  readonly tenant: TenantId;
  readonly role: PrincipalRole;
  readonly actor: Actor;
};

/** Throws `forbidden` unless the caller's role allows the action. Which rows it may touch is the store's business. */
export function authorise(caller: Caller, action: Action): void {
  if (mayDo(caller.role, action)) return;
  const able = PRINCIPAL_ROLES.filter((role) => mayDo(role, action));
  throw new Problem({
    code: 'forbidden',
    message: `The role ${caller.role} does not include ${action}.`,
    remedy: `Ask somebody with one of these roles: ${able.join(', ')}.`,
  });
}
