/** The three made-up companies of the demo, and what happens in their directories while nobody looks. */
import type { z } from 'zod';
import type { Simulator } from '../../simulators/start.ts';
import type { Mapping } from '../domain/mapping.ts';

export type Company = {
  readonly tenant: string;
  readonly connection: string;
  readonly provider: Simulator['provider'];
  readonly providerTitle: string;
  readonly domain: string;
  readonly users: number;
  readonly seed: number;
  readonly mapping: {
    readonly roles: readonly { readonly group: string; readonly role: string }[];
    readonly everyone: readonly string[];
    readonly groups: readonly string[];
    /** As somebody writes them. */
    readonly rules?: NonNullable<z.input<typeof Mapping>['rules']>;
  };
  /** Some weeks of ordinary life; the same seed on the same directory does the same, so that a second start finds the same. */
  live(simulator: Simulator): Promise<void>;
};

const mapping = {
  roles: [
    { group: 'Administrators', role: 'administrator' },
    { group: 'Leads', role: 'team-lead' },
    { group: 'VPN Users', role: 'remote-access' },
    { group: 'On Call', role: 'on-call' },
  ],
  everyone: ['member'],
  groups: [],
} as const satisfies Company['mapping'];

const liveForAWhile = async ({ control }: Simulator): Promise<void> => void (await control.liveForAWhile(7));

export const companies: readonly Company[] = [
  {
    tenant: 'Meridian Freight',
    connection: 'Meridian Entra',
    provider: 'entra',
    providerTitle: 'Microsoft Entra ID',
    domain: 'meridian.example',
    users: 1_200,
    seed: 11,
    // A freight company is its offices: each is a tenant of its own, and made when the first comes who works there.
    mapping: { ...mapping, rules: [{ tenant: 'Offices/{officeLocation}', create: true }] },
    live: liveForAWhile,
  },
  {
    tenant: 'Brightwater Foods',
    connection: 'Brightwater Okta',
    provider: 'okta',
    providerTitle: 'Okta',
    domain: 'brightwater.example',
    users: 350,
    seed: 12,
    mapping,
    live: liveForAWhile,
  },
  {
    tenant: 'Lumenworks Studio',
    connection: 'Lumenworks Google',
    provider: 'google',
    providerTitle: 'Google Workspace',
    domain: 'lumenworks.example',
    users: 90,
    seed: 13,
    mapping,
    // Two people in five, by somebody's script: so many do not go without a person looking at them.
    live: async (simulator) => {
      await liveForAWhile(simulator);
      await simulator.control.leave(34, 'delete');
    },
  },
];
