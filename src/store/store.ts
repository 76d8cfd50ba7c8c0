/** The store's face: everything that use cases read and write. Prisma, pg and SQL stay behind it. */
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import type { Places } from '../domain/place.ts';
import { Adjustments } from './adjusting.ts';
import { type ApiKeyStore, apiKeyStore } from './apiKeys.ts';
import { ApplyControl } from './applyControl.ts';
import { Applying } from './applying.ts';
import { Assignments } from './assignments.ts';
import { AuditLog } from './auditLog.ts';
import { Authorizations } from './authorization.ts';
import { Changes } from './changes.ts';
import { Channels } from './channels.ts';
import { Comments } from './comments.ts';
import { type ConfigurationStore, configurationStore } from './configuration.ts';
import { type ConnectionStore, connectionStore } from './connections.ts';
import { openDatabase } from './database.ts';
import { Decisions } from './decisions.ts';
import { DirectoryUsers } from './directoryUsers.ts';
import { DomainClaims } from './domainClaims.ts';
import { DueApplies } from './dueApplies.ts';
import { Events } from './events.ts';
import { Evidence } from './evidence.ts';
import { ChangeGroups } from './groupedChanges.ts';
import { GuardOverrides } from './guardOverrides.ts';
import { Histories } from './histories.ts';
import { type HeldLock, lockConnection, lockPurge } from './locks.ts';
import { MappingPreviews } from './mappingPreviews.ts';
import { Matters } from './matters.ts';
import { Notifications } from './notifications.ts';
import { Pairs } from './pairVerdicts.ts';
import { readPlaces } from './places.ts';
import { Planning } from './planning.ts';
import { type PrincipalStore, principalStore } from './principals.ts';
import { type ProductPlanStore, productPlanStore } from './productPlans.ts';
import { Replans } from './replans.ts';
import { Replaying } from './replaying.ts';
import { type RoleStore, roleStore } from './roles.ts';
import { Runs } from './runs.ts';
import { secretBox } from './secrets.ts';
import { type SessionStore, sessionStore } from './sessions.ts';
import { type SignInStore, signInStore } from './signIn.ts';
import { type SignInProviderStore, signInProviderStore } from './signInProviders.ts';
import { type SigningKeyStore, signingKeyStore } from './signingKeys.ts';
import { Staging } from './staging.ts';
import { type SupportAccessStore, supportAccessStore } from './supportAccess.ts';
import { type TenantDeletions, tenantDeletions } from './tenantDeletions.ts';
import { type TenantMoves, tenantMoves } from './tenantMoves.ts';
import { TenantPolicies } from './tenantPolicies.ts';
import { type TenantPurge, tenantPurge } from './tenantPurge.ts';
import { type TenantStore, tenantStore } from './tenants.ts';
import { Touched } from './touched.ts';
import { Undoing } from './undoing.ts';
import { UserPurge } from './userPurge.ts';
import { type UserStore, userStore } from './users.ts';
import { begunAt, type SomeWork, whoseWork } from './whose.ts';

export type Store = {
  /** The tenant that all others descend from. */
  readonly root: TenantId;
  readonly tenants: TenantStore & TenantMoves & TenantDeletions;
  readonly tenantPurge: TenantPurge;
  readonly tenantPolicies: TenantPolicies;
  readonly replaying: Replaying;
  readonly connections: ConnectionStore;
  readonly domainClaims: DomainClaims;
  readonly principals: PrincipalStore;
  readonly apiKeys: ApiKeyStore;
  readonly supportAccess: SupportAccessStore;
  readonly signInProviders: SignInProviderStore;
  readonly signIn: SignInStore;
  readonly sessions: SessionStore;
  readonly users: UserStore;
  readonly roles: RoleStore;
  readonly productPlans: ProductPlanStore;
  readonly configuration: ConfigurationStore;
  readonly runs: Runs;
  readonly replans: Replans;
  readonly staging: Staging;
  readonly touched: Touched;
  readonly directoryUsers: DirectoryUsers;
  readonly planning: Planning;
  readonly mappingPreviews: MappingPreviews;
  readonly changes: Changes;
  readonly changeGroups: ChangeGroups;
  readonly decisions: Decisions;
  readonly adjustments: Adjustments;
  readonly assignments: Assignments;
  readonly comments: Comments;
  readonly histories: Histories;
  readonly guardOverrides: GuardOverrides;
  readonly pairs: Pairs;
  readonly applying: Applying;
  readonly undoing: Undoing;
  readonly userPurge: UserPurge;
  readonly applyControl: ApplyControl;
  readonly dueApplies: DueApplies;
  readonly audit: AuditLog;
  readonly events: Events;
  readonly evidence: Evidence;
  readonly channels: Channels;
  readonly matters: Matters;
  readonly notifications: Notifications;
  readonly authorization: Authorizations;
  readonly signingKeys: SigningKeyStore;
  /** All tenants below one, for what a mapping would do. */
  placesBelow(tenant: TenantId): Promise<Places>;
  /** Whose a run or an apply is. */
  whoseWork(work: SomeWork): Promise<readonly TenantId[]>;
  begunAt(work: SomeWork): Promise<Date | null>;
  /** The right to run a connection, which no two processes have at once; null when another process has it. */
  lockConnection(connection: ConnectionId, hungAfterMs?: number): Promise<HeldLock | null>;
  /** The right to purge what deleted tenants held, likewise. */
  lockPurge(): Promise<HeldLock | null>;
  /** Waits for what is under way. A second call waits for the same. */
  close(): Promise<void>;
};

/**
 * @param url of the database's owner; the database must have been migrated (src/store/migrate.ts)
 * @param secretKey 32 bytes in base64, under which credentials are stored
 */
export async function openStore(url: string, secretKey: string): Promise<Store> {
  const database = await openDatabase(url);
  const box = secretBox(secretKey);
  let closed: Promise<void> | undefined;
  return {
    root: database.root,
    tenants: { ...tenantStore(database), ...tenantMoves(database), ...tenantDeletions(database) },
    tenantPurge: tenantPurge(database),
    tenantPolicies: new TenantPolicies(database),
    replaying: new Replaying(database),
    connections: connectionStore(database, box),
    domainClaims: new DomainClaims(database),
    principals: principalStore(database),
    apiKeys: apiKeyStore(database),
    supportAccess: supportAccessStore(database),
    signInProviders: signInProviderStore(database, box),
    signIn: signInStore(database, box),
    sessions: sessionStore(database),
    users: userStore(database),
    roles: roleStore(database),
    productPlans: productPlanStore(database),
    configuration: configurationStore(database),
    runs: new Runs(database),
    replans: new Replans(database),
    staging: new Staging(database),
    touched: new Touched(database),
    directoryUsers: new DirectoryUsers(database),
    planning: new Planning(database),
    mappingPreviews: new MappingPreviews(database),
    changes: new Changes(database),
    changeGroups: new ChangeGroups(database),
    decisions: new Decisions(database),
    adjustments: new Adjustments(database),
    assignments: new Assignments(database),
    comments: new Comments(database),
    histories: new Histories(database),
    guardOverrides: new GuardOverrides(database),
    pairs: new Pairs(database),
    applying: new Applying(database),
    undoing: new Undoing(database),
    userPurge: new UserPurge(database),
    applyControl: new ApplyControl(database),
    dueApplies: new DueApplies(database),
    audit: new AuditLog(database),
    events: new Events(database),
    evidence: new Evidence(database),
    channels: new Channels(database, box),
    matters: new Matters(database),
    notifications: new Notifications(database),
    authorization: new Authorizations(database),
    signingKeys: signingKeyStore(database, box),
    placesBelow: (tenant) => database.bulk(tenant, (tx) => readPlaces(tx, tenant)),
    whoseWork: (work) => whoseWork(database, work),
    begunAt: (work) => begunAt(database, work),
    lockConnection: (connection, hungAfterMs) => lockConnection(database, connection, hungAfterMs),
    lockPurge: () => lockPurge(database),
    close: () => {
      closed ??= database.close();
      return closed;
    },
  };
}
