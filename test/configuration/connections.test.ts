import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { listConnections } from '../../src/tenancy/connections.ts';
import { Configuring } from '../support/configuring.ts';
import { auditOf } from '../support/tenancy.ts';

let on: Configuring;
/** A customer of each test's own. */
let name: string;
let customer: TenantId;

beforeAll(async () => {
  on = await Configuring.open();
});
afterAll(() => on.close());
beforeEach(async () => {
  ({ name, customer } = await on.customer());
});

const okta = (more = '') =>
  `connections:
  - tenant: ${name}
    name: Okta
    provider: okta
    settings: {orgUrl: "https://acme.okta.example"}
    credentials: {kind: api-token, token: {env: TOKEN}}
    ${more}`;

describe('a connection that the file makes', () => {
  it('is paused from its first moment where the file says so: no run begins in between', async () => {
    await on.load(okta('state: paused'), on.operator, { 'env:TOKEN': 'first' });
    const [made] = (await listConnections(on.deps, on.operator, { tenant: customer })).items;
    expect(made).toMatchObject({ state: 'paused', version: 1 });
    const actions = (await auditOf(on.database.url, customer)).map(({ action }) => action);
    expect(actions.filter((action) => action.startsWith('connection.'))).toEqual(['connection.created']);
  });
});
