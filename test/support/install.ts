/** An install of one database, and connections to directories in memory whose tests read like prose. */
import { v7 } from 'uuid';
import { expect } from 'vitest';
import type { z } from 'zod';
import type { ConnectorDefinition } from '../../connectors/contract.ts';
import type { SimulatorAccess } from '../../simulators/start.ts';
import type { Json } from '../../src/domain/canonical.ts';
import type { ChangeKind, ChangeSetName, ChangeState } from '../../src/domain/change.ts';
import { PROVIDERS, type Provider } from '../../src/domain/directory.ts';
import type { AuthUserId, ConnectionId, TenantId } from '../../src/domain/ids.ts';
import type { Mapping } from '../../src/domain/mapping.ts';
import type { Caller } from '../../src/domain/permission.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { verifyAudit } from '../../src/review/audit.ts';
import { listChanges, listEvents, summarise } from '../../src/review/changes.ts';
import { type DecisionResult, decide } from '../../src/review/decide.ts';
import type { ApplyCounts } from '../../src/store/applyOutcomes.ts';
import type { ChangeView, Summary } from '../../src/store/changes.ts';
import type { EventView } from '../../src/store/events.ts';
import type { Store } from '../../src/store/store.ts';
import { type RunOutcome, type SyncRequest, syncConnection } from '../../src/sync/sync.ts';
import { createConnection, openStoredConnector, updateConnection } from '../../src/tenancy/connections.ts';
import { createRole, grantRole } from '../../src/tenancy/roles.ts';
import { createTenant, verifyDomain } from '../../src/tenancy/tenants.ts';
import { editUser } from '../../src/tenancy/users.ts';
import { clockAt, type TestClock } from './clock.ts';
import { expectTrueCounts } from './counts.ts';
import { asOwner, type FreshStore, freshStore } from './database.ts';
import { definitionOf, type TestDirectory } from './directory.ts';
import { aCaller, anOperator } from './tenancy.ts';
import { untilFeedIsUpToDate } from './waiting.ts';

/** Guards that let everything through. */
export const noGuards = {
  deletedPercent: 100,
  deletedInWindowPercent: 100,
  lostRolesPercent: 100,
  shrunkenPercent: 100,
  blankedPercent: 100,
  movedPercent: 100,
  deletedAtLeast: 1_000_000,
  lostRolesAtLeast: 1_000_000,
  blankedAtLeast: 1_000_000,
  movedAtLeast: 1_000_000,
  changedPercent: 100,
  partPercent: 100,
  partAtLeast: 1_000_000,
  changedAtLeast: 1_000_000,
} as const;

/** An auth user as a test looks at it. */
export type Stored = {
  readonly id: AuthUserId;
  /** In the connection that was asked; null where it has no link to it. */
  readonly externalId: string | null;
  readonly state: string;
  readonly version: number;
  /** Those that have a value. */
  readonly fields: Readonly<Record<string, Json>>;
  /** Given by the directory of the connection. */
  readonly roles: readonly string[];
  readonly manualRoles: readonly string[];
  /** Names of tenants from below that of the connection on; null: that one. */
  readonly place: string | null;
};

export type ConnectOptions = {
  readonly directory: TestDirectory;
  readonly tenant?: TenantId;
  readonly mapping?: Partial<Mapping>;
  readonly guards?: Partial<Policy['guards']>;
  /** But for the guards' limits. Who may be one person is only shown, unless it is said otherwise. */
  readonly policy?: Omit<z.input<typeof Policy>, 'guards'>;
  readonly verifiedDomains?: readonly string[];
};

export class Install {
  readonly database: FreshStore;
  readonly clock: TestClock = clockAt('2026-05-01T09:00:00Z');
  readonly operator: Caller;
  readonly #directories: Map<string, TestDirectory>;
  readonly connectors: Readonly<Record<Provider, ConnectorDefinition>>;

  private constructor(database: FreshStore, operator: Caller, connectors: Install['connectors'] | null) {
    this.database = database;
    this.operator = operator;
    this.#directories = new Map();
    const inMemory = definitionOf(this.#directories);
    const allInMemory = Object.fromEntries(PROVIDERS.map((provider) => [provider, inMemory]));
    this.connectors = connectors ?? (allInMemory as Install['connectors']);
  }

  /** `connectors`: the real ones, for an install that speaks to simulators instead of directories in memory. */
  static async open(connectors: Install['connectors'] | null = null): Promise<Install> {
    const database = await freshStore();
    const operator = await anOperator({ store: database.store, clock: clockAt('2026-05-01T09:00:00Z') });
    return new Install(database, operator, connectors);
  }

  get store(): Store {
    return this.database.store;
  }

  async tenant(parent: TenantId | null = null): Promise<TenantId> {
    return (await createTenant(this, this.operator, { name: `tenant ${v7()}`, parent })).id;
  }

  /** A tenant with a connection to this directory. */
  async connect({
    directory,
    tenant,
    mapping,
    guards,
    policy = {},
    verifiedDomains = [],
  }: ConnectOptions): Promise<Connected> {
    const owner = tenant ?? (await this.tenant());
    for (const domain of verifiedDomains) await verifyDomain(this, this.operator, { tenant: owner, domain });
    const name = `directory ${v7()}`;
    this.#directories.set(name, directory);
    const connection = await createConnection(this, this.operator, {
      tenant: owner,
      name,
      provider: 'okta',
      settings: { directory: name },
      credentials: { directory: name },
      mapping: { groups: null, ...mapping },
      policy: { samePerson: 'show', ...policy, guards: guards ?? {} },
    });
    const administrator = await aCaller(this, owner);
    return new Connected(this, { connection: connection.id, tenant: owner, directory, administrator });
  }

  /** A tenant with a connection to a simulator. */
  async connectTo(simulator: SimulatorAccess, mapping: Partial<Mapping> = {}): Promise<Connected> {
    const tenant = await this.tenant();
    const { provider, settings, credentials, origin, ca } = simulator;
    const connection = await createConnection(this, this.operator, {
      ...{
        tenant,
        name: 'directory',
        provider,
        settings,
        credentials,
        mapping: { groups: null, ...mapping },
      },
      network: { baseUrl: origin, ca, proxy: null },
    });
    const administrator = await aCaller(this, tenant);
    return new Connected(this, { connection: connection.id, tenant, directory: null, administrator });
  }

  /** Points a connection to another directory, as a changed setting would. */
  async redirect(connection: ConnectionId, directory: TestDirectory): Promise<void> {
    const name = `directory ${v7()}`;
    this.#directories.set(name, directory);
    const given = { settings: { directory: name }, credentials: { directory: name } };
    await updateConnection(this, this.operator, { connection, ...given });
  }

  async remap(connection: ConnectionId, mapping: Partial<Mapping>): Promise<void> {
    await updateConnection(this, this.operator, {
      connection,
      mapping: { groups: null, ...mapping },
    });
  }

  async auditIsWhole(): Promise<boolean> {
    return (await verifyAudit(this, this.operator, {})).tenants.every(({ ok }) => ok);
  }

  async close(): Promise<void> {
    await expectTrueCounts(this.database.url);
    await this.database.drop();
  }
}

type Parts = {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly directory: TestDirectory | null;
  readonly administrator: Caller;
};

/** States in which a change waits, is remembered or is to be proposed again. */
const LIVE = ['open', 'approved', 'rejected', 'held', 'moved', 'failed'] as const;

/** One connection, and what a person or a schedule does with it. */
export class Connected {
  readonly install: Install;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly #directory: TestDirectory | null;
  /** A tenant administrator of the connection's tenant. */
  readonly administrator: Caller;

  constructor(install: Install, { connection, tenant, directory, administrator }: Parts) {
    this.install = install;
    this.connection = connection;
    this.tenant = tenant;
    this.#directory = directory;
    this.administrator = administrator;
  }

  get directory(): TestDirectory {
    if (this.#directory === null) throw new Error('this connection leads to a simulator');
    return this.#directory;
  }

  /** A run whose process ends when it comes to its look-ups. */
  async leftAtLookUp(): Promise<void> {
    const controller = new AbortController();
    const { directory } = this;
    const { faults } = directory;
    directory.faults = {
      ...faults,
      beforePage: (list) => {
        if (list !== 'look-up') return;
        controller.abort(new Error('the process ends here'));
        controller.signal.throwIfAborted();
      },
    };
    await expect(this.sync({ signal: controller.signal })).rejects.toThrow('the process ends here');
    directory.faults = faults;
  }

  /** One run, as a worker that has just started carries it out. */
  async sync(how: Partial<SyncRequest> = {}): Promise<RunOutcome> {
    const { install } = this;
    const deps = {
      store: install.store,
      clock: install.clock,
      log: { info: () => {}, warn: () => {} },
      openConnector: (id: ConnectionId) => openStoredConnector(install, id),
    };
    return await syncConnection(deps, {
      connection: this.connection,
      trigger: 'demand',
      requestedBy: 'test',
      signal: new AbortController().signal,
      ...how,
    });
  }

  async changes(
    filter: { kind?: readonly ChangeKind[]; set?: ChangeSetName; state?: readonly ChangeState[] } = {},
  ): Promise<readonly ChangeView[]> {
    const found: ChangeView[] = [];
    let after: string | null = null;
    do {
      const page = await listChanges(this.install, this.administrator, {
        ...filter,
        connection: this.connection,
        limit: 500,
        after,
      });
      found.push(...page.items);
      after = page.next;
    } while (after !== null);
    return found;
  }

  /** Everything that is not history. */
  live(): Promise<readonly ChangeView[]> {
    return this.changes({ state: LIVE });
  }

  /** External ids of those for whom such a change waits, in their order. */
  async pending(...kind: readonly ChangeKind[]): Promise<readonly string[]> {
    const found = await this.changes(kind.length === 0 ? {} : { kind });
    return found.map((change) => change.externalId as string).sort();
  }

  async inState(...state: readonly ChangeState[]): Promise<readonly string[]> {
    return (await this.changes({ state })).map((change) => change.externalId as string).sort();
  }

  /** The change that waits for this user; fails where there is none. */
  async changeOf(externalId: string): Promise<ChangeView> {
    const found = (await this.live()).find((change) => change.externalId === externalId);
    if (found === undefined) throw new Error(`no change waits for ${externalId}`);
    return found;
  }

  async summary(): Promise<Summary> {
    const [summary] = await summarise(this.install, this.administrator, { connection: this.connection });
    if (summary === undefined) throw new Error('the connection has no summary');
    return summary;
  }

  async revision(): Promise<number> {
    return (await this.summary()).revision;
  }

  /** On all that waits at the revision shown now. */
  async decideAll(
    verdict: 'approve' | 'reject' | 'hold',
    filter: object = {},
    more: { revision?: number; includeHeld?: boolean } = {},
  ): Promise<number> {
    const { connection } = this;
    const revision = await this.revision();
    const ruling = { verdict, reason: 'test', connection, revision, filter, ...more };
    return (await decide(this.install, this.administrator, ruling)).decided;
  }

  approveAll(filter: object = {}): Promise<number> {
    return this.decideAll('approve', filter);
  }

  /** On the changes of these users, as they are shown now. */
  async decide(
    verdict: 'approve' | 'reject' | 'hold',
    ...externalIds: readonly string[]
  ): Promise<DecisionResult> {
    const shown = (await this.live()).filter((change) => externalIds.includes(change.externalId));
    const changes = shown.map(({ id, fingerprint, decision }) => {
      return { id, fingerprint, decision: decision?.id ?? null };
    });
    return await decide(this.install, this.administrator, { verdict, reason: 'test', changes });
  }

  approve(...externalIds: readonly string[]): Promise<DecisionResult> {
    return this.decide('approve', ...externalIds);
  }

  /** Carries out all that is approved. */
  async apply(): Promise<ApplyCounts> {
    const { apply } = await startApply(this.install, this.administrator, { connection: this.connection });
    return await carryOutApply(this.install, apply, { signal: new AbortController().signal });
  }

  /** A run whose every change is approved and applied, conflicts aside. */
  async syncAndApply(): Promise<ApplyCounts> {
    await this.sync();
    await this.approveAll();
    return await this.apply();
  }

  /** All auth users of the tenant and those below it, by the order in which they were made. */
  async users(): Promise<readonly Stored[]> {
    return await usersOf(this.install.database.url, this);
  }

  /** By the id in this connection's directory; fails where there is none. */
  async user(externalId: string): Promise<Stored> {
    const found = (await this.users()).find((user) => user.externalId === externalId);
    if (found === undefined) throw new Error(`${externalId} has no auth user`);
    return found;
  }

  async edit(
    externalId: string,
    change: { displayName?: string; email?: string | null; attributes?: Record<string, string> },
  ) {
    const { id } = await this.user(externalId);
    await editUser(this.install, this.administrator, { user: id, ...change });
  }

  async grant(externalId: string, role: string): Promise<void> {
    await this.give((await this.user(externalId)).id, role);
  }

  /** By hand, where they are. */
  async give(user: AuthUserId, role: string): Promise<void> {
    const { install } = this;
    if ((await install.store.roles.named([role])).length === 0)
      await createRole(install, install.operator, { name: role });
    await grantRole(install, install.operator, { user, role });
  }

  /** Those of auth users, not those of the tenant itself. */
  async events(): Promise<readonly EventView[]> {
    await untilFeedIsUpToDate(this.install.database.url);
    const found: EventView[] = [];
    let after: string | null = null;
    do {
      const page = await listEvents(this.install, this.administrator, { limit: 500, after });
      found.push(...page.items.filter(({ authUser }) => authUser !== null));
      after = page.next;
    } while (after !== null);
    return found;
  }
}

/** Read past the store's face, as the owner: what is really there. */
export async function usersOf(
  url: string,
  { tenant, connection }: { readonly tenant: TenantId; readonly connection: ConnectionId },
): Promise<readonly Stored[]> {
  return await asOwner(url, async (client) => {
    const { rows } = await client.query<Stored>(
      `SELECT a.id, i.external_id AS "externalId", a.state, a.version,
         jsonb_strip_nulls(a.attributes || jsonb_build_object('userName', a.user_name, 'email', a.email, 'displayName', a.display_name)) AS fields,
         ${rolesWhere('g.connection_id = $2')} AS roles, ${rolesWhere(`g.origin = 'manual'`)} AS "manualRoles",
         (SELECT string_agg(w.name, '/' ORDER BY length(w.path)) FROM tenant t, tenant w
          WHERE t.id = a.tenant_id AND starts_with(t.path, w.path) AND length(w.path) > length(top.path)) AS place
       FROM tenant top JOIN tenant own ON starts_with(own.path, top.path) JOIN auth_user a ON a.tenant_id = own.id
         LEFT JOIN identity i ON i.auth_user_id = a.id AND i.connection_id = $2
       WHERE top.id = $1 ORDER BY a.id`,
      [tenant, connection],
    );
    return rows;
  });
}

const rolesWhere = (condition: string) =>
  `ARRAY(SELECT r.name FROM role_assignment g JOIN role r ON r.id = g.role_id WHERE g.auth_user_id = a.id AND ${condition}
   ORDER BY r.name COLLATE "C")`;
