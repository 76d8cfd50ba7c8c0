/** What people enter about a connection, and what an update of it alters. */
import { X509Certificate } from 'node:crypto';
import { validate } from 'node-cron';
import { z } from 'zod';
import { Network } from '../../connectors/contract.ts';
import { canonical, type Json } from '../domain/canonical.ts';
import { CONNECTION_STATES, type Connection, hasLogin, leadsElsewhere } from '../domain/connection.ts';
import { Provider } from '../domain/directory.ts';
import { TenantId } from '../domain/ids.ts';
import { Name } from '../domain/input.ts';
import { Mapping } from '../domain/mapping.ts';
import { PageOptions, TopTenant } from '../domain/page.ts';
import { Policy } from '../domain/policy.ts';
import { ruleInAudit } from '../domain/reviewRules.ts';
import { Issuer } from '../domain/signIn.ts';
import { TimeZone } from '../domain/timeZone.ts';
import type { ConnectionPatch } from '../store/connections.ts';

/** node-cron knows a sixth field for seconds: nobody pulls a directory every second. */
export const Schedule = z
  .string()
  .trim()
  .refine(
    (text) => text.split(/\s+/).length === 5 && validate(text),
    'is not a cron expression of five fields (minute, hour, day of month, month, day of week), such as "*/30 * * * *"',
  );

/** One or more; each of them is read. */
export const Certificates = z
  .string()
  .max(100_000)
  .refine(isCertificates, 'holds no readable PEM certificate');

const ConnectionNetwork = z
  .strictObject({
    ...Network.shape,
    ca: Certificates.nullable().default(null),
  })
  .meta({ id: 'Network' });

/** Read first: it decides what settings and credentials have to look like. */
export const WithProvider = z.object({ provider: Provider });

/** `settings` and `credentials` are the provider's; its connector's definition says what belongs there. */
export const NewConnection = z.strictObject({
  /** null: the caller's own. */
  tenant: TenantId.nullable().default(null),
  name: Name,
  provider: Provider,
  settings: z.unknown(),
  credentials: z.unknown(),
  network: ConnectionNetwork.prefault({}),
  mapping: Mapping.prefault({}),
  policy: Policy.prefault({}),
  /** null: only on demand. */
  schedule: Schedule.nullable().default(null),
  timeZone: TimeZone.default('UTC'),
  /** null: as the settings say. */
  issuer: Issuer.nullable().default(null),
  state: z.enum(CONNECTION_STATES).default('active'),
});

export const ChangedConnection = z.strictObject({
  connection: z.string(),
  /** Where given, the update is refused unless the connection is still at this version. */
  version: z.int().optional(),
  name: Name.optional(),
  settings: z.unknown().optional(),
  credentials: z.unknown().optional(),
  /** The login of a proxy stays when the same proxy is given without one; it goes when the proxy is set to null. */
  network: ConnectionNetwork.optional(),
  mapping: Mapping.optional(),
  policy: Policy.optional(),
  schedule: Schedule.nullable().optional(),
  timeZone: TimeZone.optional(),
  /** null: as the settings say now, if the system says so; see `issuerWanted`. */
  issuer: Issuer.nullable().optional(),
  state: z.enum(CONNECTION_STATES).optional(),
});

export const ListConnections = PageOptions.extend({
  tenant: TopTenant,
});

type Given = Omit<z.infer<typeof ChangedConnection>, 'connection' | 'version'>;

export type Differences = {
  readonly patch: ConnectionPatch;
  readonly fields: readonly string[];
  /** For the audit: which fields, and the guards' limits before and after. */
  readonly details: { readonly [key: string]: Json };
  /** Credentials would be sent to another place, or another way, than the one they were entered for. */
  readonly elsewhere: boolean;
};

/** What an update alters. Credentials cannot be compared: given ones are new. */
export function differences(before: Connection, { network, credentials, ...given }: Given): Differences {
  const patch: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || same(value, before[name as keyof typeof given])) continue;
    patch[name] = value;
  }
  if (credentials !== undefined) patch['credentials'] = credentials;
  if (network !== undefined && (hasLogin(network) || !same(network, before.network)))
    patch['network'] = network;
  const fields = Object.keys(patch).sort();
  const limits = given.policy !== undefined && 'policy' in patch ? limitsOf(before.policy, given.policy) : {};
  return {
    patch: patch as ConnectionPatch,
    fields,
    details: { fields, ...limits },
    elsewhere: leadsElsewhere(before, { settings: given.settings as Json | undefined, network }),
  };
}

/** Of protected users only how many: the audit log keeps what is written there, and addresses are personal data. */
function limitsOf(before: Policy, after: Policy): { readonly [key: string]: Json } {
  const guarded = ({ users, roles }: Policy['protected']) => ({ users: users.length, roles });
  return {
    guards: { before: before.guards, after: after.guards },
    ...(same(before.keepOneOf, after.keepOneOf)
      ? {}
      : { keepOneOf: { before: before.keepOneOf, after: after.keepOneOf } }),
    ...(same(before.matching, after.matching)
      ? {}
      : { matching: { before: before.matching, after: after.matching } }),
    ...(same(before.leavers, after.leavers)
      ? {}
      : { leavers: { before: before.leavers, after: after.leavers } }),
    ...(same(before.rules, after.rules)
      ? {}
      : { rules: { before: before.rules.map(ruleInAudit), after: after.rules.map(ruleInAudit) } }),
    ...(before.samePerson === after.samePerson
      ? {}
      : { samePerson: { before: before.samePerson, after: after.samePerson } }),
    ...(same(before.protected, after.protected)
      ? {}
      : { protected: { before: guarded(before.protected), after: guarded(after.protected) } }),
  };
}

function same(one: unknown, other: unknown): boolean {
  return canonical(one as Json) === canonical(other as Json);
}

function isCertificates(text: string): boolean {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block)).length > 0;
  } catch {
    return false;
  }
}
