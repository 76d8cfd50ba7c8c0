/** An install with roles of each type, and a customer of each test's own whose configuration is loaded. */
import {
  diffConfiguration,
  exportConfiguration,
  loadConfiguration,
} from '../../src/configuration/configuration.ts';
import type { ConfigurationDeps } from '../../src/configuration/read.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import type { Problem } from '../../src/domain/problem.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { createTenant } from '../../src/tenancy/tenants.ts';
import { getUser, listUsers } from '../../src/tenancy/users.ts';
import type { FreshStore } from './database.ts';
import { aCaller, aTenancy } from './tenancy.ts';

type Secrets = Readonly<Record<string, string>>;

export class Configuring {
  readonly database: FreshStore;
  readonly deps: ConfigurationDeps;
  readonly operator: Caller;
  #customers = 0;

  private constructor(database: FreshStore, deps: ConfigurationDeps, operator: Caller) {
    this.database = database;
    this.deps = deps;
    this.operator = operator;
  }

  /** Thrown away when the test file is done. */
  static async open(): Promise<Configuring> {
    const { database, deps, operator } = await aTenancy();
    await createRole(deps, operator, { name: 'editor', type: 'assignable' });
    await createRole(deps, operator, { name: 'clerk', type: 'ordinary' });
    await createRole(deps, operator, { name: 'everyone', type: 'automatic' });
    await createRole(deps, operator, { name: 'vendor', type: 'hidden' });
    return new Configuring(database, deps, operator);
  }

  /** `count` is another number for each. */
  async customer(): Promise<{ count: number; name: string; customer: TenantId; admin: Caller }> {
    this.#customers += 1;
    const count = this.#customers;
    const name = `Customer ${count}`;
    const customer = (await createTenant(this.deps, this.operator, { name })).id;
    return { count, name, customer, admin: await aCaller(this.deps, customer) };
  }

  diff(configuration: string, caller = this.operator, secrets: Secrets = {}) {
    return diffConfiguration(this.deps, caller, { configuration, secrets });
  }

  /** The differences, a line each: what, and its fields. */
  async shown(configuration: string, caller = this.operator): Promise<readonly string[]> {
    return (await this.diff(configuration, caller)).differences.map(
      ({ kind, action, name, fields }) =>
        `${action} ${kind} ${name}: ${fields.map(({ field }) => field).join(' ')}`,
    );
  }

  async load(configuration: string, caller = this.operator, secrets: Secrets = {}) {
    const { stamp } = await this.diff(configuration, caller, secrets);
    return await loadConfiguration(this.deps, caller, { configuration, stamp, secrets });
  }

  async export(caller = this.operator): Promise<string> {
    return (await exportConfiguration(this.deps, caller)).configuration;
  }

  /** What is wrong with the file, a line each. */
  async refusal(configuration: string, caller = this.operator, secrets: Secrets = {}) {
    const problem: Problem = await this.diff(configuration, caller, secrets).then(
      () => {
        throw new Error('the file was taken');
      },
      (error) => error,
    );
    return problem.fields.map(({ path, message }) => `${path}: ${message}`);
  }

  async userNamed(tenant: TenantId, userName: string) {
    const [found] = (await listUsers(this.deps, this.operator, { search: userName, tenant })).items;
    if (found === undefined) throw new Error(`there is no ${userName}`);
    return await getUser(this.deps, this.operator, found.id);
  }
}
