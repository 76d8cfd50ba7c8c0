/** Everything that somebody with a shell on the server can do: the use cases of the API, bound to the operator. */

import { findByIdentity } from '../authorization/byIdentity.ts';
import { readAuthorization } from '../authorization/read.ts';
import { TokenKeys } from '../authorization/tokenKeys.ts';
import { diffConfiguration, exportConfiguration, loadConfiguration } from '../configuration/configuration.ts';
import type { ConfigurationDeps } from '../configuration/read.ts';
import type { ConnectionId, RunId } from '../domain/ids.ts';
import type { Caller } from '../domain/permission.ts';
import { exportEvidence } from '../evidence/pack.ts';
import {
  addChannel,
  findChannel,
  listChannels,
  listNotifications,
  removeChannel,
  testChannel,
  updateChannel,
} from '../notifications/channels.ts';
import type { NotificationDeps } from '../notifications/deps.ts';
import { adjustNewcomer, listAdjustments, takeBackAdjustment } from '../review/adjust.ts';
import {
  cancelApply,
  getApply,
  listAppliedChanges,
  listApplies,
  pauseApply,
  resumeApply,
} from '../review/applies.ts';
import { carryOutApply, startApply } from '../review/apply.ts';
import { assignChanges, commentOnChange, listComments } from '../review/assign.ts';
import { listAudit, verifyAudit } from '../review/audit.ts';
import { groupChanges } from '../review/changeGroups.ts';
import { getChange, listChanges, summarise } from '../review/changes.ts';
import { decide } from '../review/decide.ts';
import { advanceApplies } from '../review/dueApplies.ts';
import { explainUser } from '../review/explain.ts';
import { endGuardOverride, getGuards, overrideGuard } from '../review/guards.ts';
import { choosePairs, getPair, listPairs } from '../review/pairs.ts';
import { listReplayed, replayPolicy, testPolicy } from '../review/policyDrafts.ts';
import { explainPerson, findPerson } from '../review/standing.ts';
import { getTimeline } from '../review/timeline.ts';
import { undoApply } from '../review/undo.ts';
import type { SignInDeps } from '../signIn/deps.ts';
import { invitePrincipal, withdrawInvitation } from '../signIn/invitations.ts';
import {
  addSignInProvider,
  findSignInProvider,
  listSignInProviders,
  removeSignInProvider,
  testSignInProvider,
  updateSignInProvider,
} from '../signIn/providers.ts';
import { createRecoveryCodes } from '../signIn/recovery.ts';
import { endSessionsOf, listSessions } from '../signIn/sessions.ts';
import { freshSetUpLink } from '../signIn/setUp.ts';
import { previewMapping } from '../sync/previewMapping.ts';
import type { RunProgress } from '../sync/progress.ts';
import { replanRun } from '../sync/replan.ts';
import { getRun, listRuns, requestRun } from '../sync/runs.ts';
import { type SyncDeps, syncConnection } from '../sync/sync.ts';
import { createKey, listKeys, revokeKey, rotateKey } from '../tenancy/apiKeys.ts';
import {
  type ConnectionDeps,
  createConnection,
  findConnection,
  getConnection,
  listConnections,
  openStoredConnector,
  testConnection,
  updateConnection,
} from '../tenancy/connections.ts';
import {
  checkDomainClaim,
  claimDomain,
  type DomainClaimDeps,
  listDomainClaims,
  withdrawDomainClaim,
} from '../tenancy/domainClaims.ts';
import {
  createPrincipal,
  disablePrincipal,
  enablePrincipal,
  ensureOperator,
  findPrincipal,
  listPrincipals,
  principalIn,
} from '../tenancy/principals.ts';
import {
  createProductPlan,
  deleteProductPlan,
  findProductPlan,
  getProductPlanOf,
  listProductPlans,
  listSubscriptions,
  updateProductPlan,
} from '../tenancy/productPlans.ts';
import {
  createRole,
  deleteRole,
  getRole,
  grantRole,
  listRoles,
  revokeRole,
  updateRole,
} from '../tenancy/roles.ts';
import {
  endSupport,
  grantSupport,
  inviteSupport,
  listSupport,
  refuseSupport,
  requestSupport,
  type SupportDeps,
} from '../tenancy/supportAccess.ts';
import { deleteTenant, keepTenant, moveTenant, resumeTenant, suspendTenant } from '../tenancy/tenantLife.ts';
import { getConnectionPolicy, getTenantPolicy, setTenantPolicy } from '../tenancy/tenantPolicy.ts';
import {
  createTenant,
  describeTenant,
  findTenant,
  getTenant,
  listDomains,
  listTenants,
  unverifyDomain,
  updateTenant,
  verifyDomain,
} from '../tenancy/tenants.ts';
import { editUser, getUser, listUsers } from '../tenancy/users.ts';

export type OperatorDeps = ConnectionDeps &
  DomainClaimDeps &
  SupportDeps &
  NotificationDeps &
  Omit<SignInDeps, 'failures' | 'discoveries'> &
  Pick<SyncDeps, 'log' | 'longestRunMs' | 'fullEveryMs'>;

/** `osUser`: whose name stands in the audit log. */
export async function openOperator(deps: OperatorDeps, osUser: string) {
  const caller = await ensureOperator(deps, osUser);
  const bound =
    <Input, Output>(verb: (deps: OperatorDeps, caller: Caller, input: Input) => Output) =>
    (input: Input): Output =>
      verb(deps, caller, input);
  return {
    root: deps.store.root,
    ...tenants(bound),
    createConnection: bound(createConnection),
    updateConnection: bound(updateConnection),
    listConnections: bound(listConnections),
    getConnection: bound(getConnection),
    findConnection: bound(findConnection),
    testConnection: (...[input, signal]: AfterCaller<typeof testConnection>) =>
      testConnection(deps, caller, input, signal),
    previewMapping: bound(previewMapping),
    ...configurationAsCode(deps, caller),
    ...administrators(bound),
    ...signingIn(bound),
    ...rolesAndPlans(bound),
    listUsers: bound(listUsers),
    getUser: bound(getUser),
    editUser: bound(editUser),
    explainUser: bound(explainUser),
    getTimeline: bound(getTimeline),
    explainPerson: bound(explainPerson),
    findPerson: bound(findPerson),
    findByIdentity: bound(findByIdentity),
    readAuthorization: bound(readAuthorization),
    requestRun: bound(requestRun),
    listRuns: bound(listRuns),
    getRun: bound(getRun),
    replanRun: bound(replanRun),
    /** Carries a requested run out in this process. */
    syncConnection: (request: {
      readonly connection: ConnectionId;
      readonly run: RunId;
      readonly signal: AbortSignal;
      readonly onProgress: (progress: RunProgress) => void;
    }) =>
      syncConnection(
        { ...deps, openConnector: (connection) => openStoredConnector(deps, connection) },
        { ...request, trigger: 'demand', requestedBy: caller.actor.name },
      ),
    getGuards: bound(getGuards),
    overrideGuard: bound(overrideGuard),
    endGuardOverride: bound(endGuardOverride),
    ...policies(bound),
    listChanges: bound(listChanges),
    groupChanges: bound(groupChanges),
    getChange: bound(getChange),
    summarise: bound(summarise),
    decide: bound(decide),
    ...workingOn(bound),
    listPairs: bound(listPairs),
    getPair: bound(getPair),
    choosePairs: bound(choosePairs),
    ...applying(deps, caller),
    ...telling(deps, caller),
    verifyAudit: bound(verifyAudit),
    listAudit: bound(listAudit),
    exportEvidence: (...[input, how]: AfterCaller<typeof exportEvidence>) =>
      exportEvidence({ ...deps, tokenKeys: new TokenKeys(deps) }, caller, input, how),
  };
}

function applying(deps: OperatorDeps, caller: Caller) {
  return {
    startApply: (input: Parameters<typeof startApply>[2]) => startApply(deps, caller, input),
    undoApply: (input: Parameters<typeof undoApply>[2]) => undoApply(deps, caller, input),
    listApplies: (input: Parameters<typeof listApplies>[2]) => listApplies(deps, caller, input),
    listAppliedChanges: (input: Parameters<typeof listAppliedChanges>[2]) =>
      listAppliedChanges(deps, caller, input),
    getApply: (id: string) => getApply(deps, caller, id),
    pauseApply: (input: Parameters<typeof pauseApply>[2]) => pauseApply(deps, caller, input),
    resumeApply: (input: Parameters<typeof resumeApply>[2]) => resumeApply(deps, caller, input),
    cancelApply: (input: Parameters<typeof cancelApply>[2]) => cancelApply(deps, caller, input),
    carryOutApply: (...[id, how]: AfterDeps<typeof carryOutApply>) => carryOutApply(deps, id, how),
    /** What policies apply by themselves, of these connections. */
    advanceApplies: (connections: readonly ConnectionId[]) => advanceApplies(deps, { connections }),
    /** Applies that a process began and did not end, or is carrying out just now. */
    unfinishedApplies: async () => {
      const ids = await deps.store.applying.unfinished();
      return await Promise.all(ids.map((id) => getApply(deps, caller, id)));
    },
  };
}

/** Channels that people are told by. */
function telling(deps: OperatorDeps, caller: Caller) {
  return {
    addChannel: (input: Parameters<typeof addChannel>[2]) => addChannel(deps, caller, input),
    updateChannel: (input: Parameters<typeof updateChannel>[2]) => updateChannel(deps, caller, input),
    listChannels: (input: Parameters<typeof listChannels>[2]) => listChannels(deps, caller, input),
    findChannel: (nameOrId: string) => findChannel(deps, caller, nameOrId),
    testChannel: (...[id, signal]: AfterCaller<typeof testChannel>) => testChannel(deps, caller, id, signal),
    removeChannel: (id: string) => removeChannel(deps, caller, id),
    listNotifications: (input: Parameters<typeof listNotifications>[2]) =>
      listNotifications(deps, caller, input),
  };
}

type LookUp = NonNullable<ConfigurationDeps['lookUp']>;

/** `lookUp`: what the file's references to secrets stand for on this machine. */
function configurationAsCode(deps: OperatorDeps, caller: Caller) {
  type Input<Verb extends (...given: never[]) => unknown> = Parameters<Verb>[2];
  return {
    exportConfiguration: (input: Input<typeof exportConfiguration>) =>
      exportConfiguration(deps, caller, input),
    diffConfiguration: (input: Input<typeof diffConfiguration>, lookUp: LookUp) =>
      diffConfiguration({ ...deps, lookUp }, caller, input),
    loadConfiguration: (
      input: Input<typeof loadConfiguration>,
      lookUp: LookUp,
      how: Parameters<typeof loadConfiguration>[3],
    ) => loadConfiguration({ ...deps, lookUp }, caller, input, how),
  };
}

type Bind = <Input, Output>(
  verb: (deps: OperatorDeps, caller: Caller, input: Input) => Output,
) => (input: Input) => Output;

function tenants(bound: Bind) {
  return {
    createTenant: bound(createTenant),
    listTenants: bound(listTenants),
    getTenant: bound(getTenant),
    findTenant: bound(findTenant),
    describeTenant: bound(describeTenant),
    updateTenant: bound(updateTenant),
    moveTenant: bound(moveTenant),
    suspendTenant: bound(suspendTenant),
    resumeTenant: bound(resumeTenant),
    deleteTenant: bound(deleteTenant),
    keepTenant: bound(keepTenant),
    verifyDomain: bound(verifyDomain),
    unverifyDomain: bound(unverifyDomain),
    listDomains: bound(listDomains),
    claimDomain: bound(claimDomain),
    listDomainClaims: bound(listDomainClaims),
    checkDomainClaim: bound(checkDomainClaim),
    withdrawDomainClaim: bound(withdrawDomainClaim),
  };
}

function policies(bound: Bind) {
  return {
    getTenantPolicy: bound(getTenantPolicy),
    setTenantPolicy: bound(setTenantPolicy),
    getConnectionPolicy: bound(getConnectionPolicy),
    testPolicy: bound(testPolicy),
    replayPolicy: bound(replayPolicy),
    listReplayed: bound(listReplayed),
  };
}

/** Changes before they are decided on. */
function workingOn(bound: Bind) {
  return {
    adjustNewcomer: bound(adjustNewcomer),
    listAdjustments: bound(listAdjustments),
    takeBackAdjustment: bound(takeBackAdjustment),
    assignChanges: bound(assignChanges),
    commentOnChange: bound(commentOnChange),
    listComments: bound(listComments),
  };
}

function administrators(bound: Bind) {
  return {
    createPrincipal: bound(createPrincipal),
    listPrincipals: bound(listPrincipals),
    findPrincipal: bound(findPrincipal),
    principalIn: bound(principalIn),
    createKey: bound(createKey),
    listKeys: bound(listKeys),
    rotateKey: bound(rotateKey),
    revokeKey: bound(revokeKey),
    disablePrincipal: bound(disablePrincipal),
    enablePrincipal: bound(enablePrincipal),
    requestSupport: bound(requestSupport),
    inviteSupport: bound(inviteSupport),
    listSupport: bound(listSupport),
    grantSupport: bound(grantSupport),
    refuseSupport: bound(refuseSupport),
    endSupport: bound(endSupport),
  };
}

function signingIn(bound: Bind) {
  return {
    freshSetUpLink: () => bound(freshSetUpLink)(null),
    addSignInProvider: bound(addSignInProvider),
    updateSignInProvider: bound(updateSignInProvider),
    listSignInProviders: bound(listSignInProviders),
    findSignInProvider: bound(findSignInProvider),
    removeSignInProvider: bound(removeSignInProvider),
    testSignInProvider: bound(testSignInProvider),
    invitePrincipal: bound(invitePrincipal),
    withdrawInvitation: bound(withdrawInvitation),
    createRecoveryCodes: bound(createRecoveryCodes),
    listSessions: bound(listSessions),
    endSessionsOf: bound(endSessionsOf),
  };
}

function rolesAndPlans(bound: Bind) {
  return {
    createRole: bound(createRole),
    listRoles: bound(listRoles),
    getRole: bound(getRole),
    updateRole: bound(updateRole),
    deleteRole: bound(deleteRole),
    grantRole: bound(grantRole),
    revokeRole: bound(revokeRole),
    createProductPlan: bound(createProductPlan),
    listProductPlans: bound(listProductPlans),
    findProductPlan: bound(findProductPlan),
    updateProductPlan: bound(updateProductPlan),
    deleteProductPlan: bound(deleteProductPlan),
    listSubscriptions: bound(listSubscriptions),
    getProductPlanOf: bound(getProductPlanOf),
  };
}

type AfterCaller<Verb> = Verb extends (deps: never, caller: never, ...rest: infer Rest) => unknown
  ? Rest
  : never;

type AfterDeps<Verb> = Verb extends (deps: never, ...rest: infer Rest) => unknown ? Rest : never;

export type Operator = Awaited<ReturnType<typeof openOperator>>;
