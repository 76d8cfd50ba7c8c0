import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  diffConfiguration,
  exportConfiguration,
  loadConfiguration,
} from '../../src/configuration/configuration.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { verifyAudit } from '../../src/review/audit.ts';
import { aTenancy } from '../support/tenancy.ts';

const example = readFileSync('examples/configuration.yaml', 'utf8');
const secrets = { 'env:HARBOR_OKTA_TOKEN': '00secretOktaToken' };
/** What never comes out. */
const withoutCredentials = (text: string) => text.replaceAll(/^ +credentials:\n( {6}.*\n)+/gm, '');

const { deps, operator } = await aTenancy();

const load = async (configuration: string, caller: Caller, given: Record<string, string> = {}) => {
  const { stamp } = await diffConfiguration(deps, caller, { configuration, secrets: given });
  return await loadConfiguration(deps, caller, { configuration, secrets: given, stamp });
};

describe('the example', () => {
  it('is loaded, and comes out as the same file', async () => {
    const loaded = await load(example, operator, secrets);
    expect(loaded).toMatchObject({
      roles: { created: 2 },
      productPlans: { created: 1 },
      tenants: { created: 4 },
      connections: { created: 1 },
      users: { created: 1 },
    });
    const { configuration, leftOut } = await exportConfiguration(deps, operator);
    expect(configuration).toBe(withoutCredentials(example));
    expect(leftOut).toEqual({ connections: 0, users: 0, directoryUsers: 0 });
  });

  it('loaded again changes nothing, with and without its secrets', async () => {
    for (const given of [secrets, {}]) {
      const { differences, unnamed } = await diffConfiguration(deps, operator, {
        configuration: example,
        secrets: given,
      });
      expect(differences).toEqual([]);
      expect(Object.values(unnamed).every((count) => count === 0)).toBe(true);
    }
    expect((await verifyAudit(deps, operator, {})).tenants.every(({ ok }) => ok)).toBe(true);
  });
});
