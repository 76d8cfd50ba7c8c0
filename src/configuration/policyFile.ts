/** Files of policy rules, and of the cases that they are tested by. */
import { stringify } from 'yaml';
import { z } from 'zod';
import { invalidInput } from '../domain/input.ts';
import { Policy } from '../domain/policy.ts';
import { PolicyCases } from '../domain/policyCases.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';
import { parseAs, refused } from './file.ts';

const LARGEST = 1024 * 1024;

/** What a file says of a policy: nothing stands for what it does not name. */
type Said<T> = { readonly [Part in keyof T]?: T[Part] };

/** As somebody writes it for a tenant, or to try it. Throws `invalid-input` with line and column, also where it names nothing. */
export function parseTenantPolicy(text: string): Said<TenantPolicy> {
  return saidIn(text, TenantPolicy, {
    others: Object.keys(Policy.shape),
    message: "belongs to a connection's policy: set it with --connection",
  });
}

/** Any part of a connection's policy; its time zone is the connection's. Throws `invalid-input` as the other one. */
export function parseConnectionPolicy(text: string): Said<Policy> {
  return saidIn(text, Policy, {
    others: Object.keys(TenantPolicy.shape),
    message: "belongs to a tenant's policy: set it with --tenant, or leave it out",
  });
}

/** `others`: parts of the other kind of policy, of which those that this one lacks are told as such. */
function saidIn<T extends object>(
  text: string,
  schema: z.ZodObject & z.ZodType<T>,
  elsewhere: { readonly others: readonly string[]; readonly message: string },
): Said<T> {
  const { value: named, locate } = parseAs(z.record(z.string(), z.unknown()), text, LARGEST);
  const { others, message } = elsewhere;
  const misplaced = Object.keys(named).filter((part) => others.includes(part) && !(part in schema.shape));
  if (misplaced.length > 0)
    throw refused(
      misplaced.map((part) => ({ position: [part], message, atWord: true })),
      locate,
    );
  if (Object.keys(named).length === 0) {
    throw invalidInput(
      [{ path: '', message: 'the file names no part of a policy' }],
      `Name in it what is to be replaced, of ${Object.keys(schema.shape).join(', ')}; \`rules: []\` takes all rules away. Nothing was changed.`,
    );
  }
  const { value } = parseAs(schema, text, LARGEST);
  return Object.fromEntries(Object.entries(value).filter(([part]) => part in named)) as Said<T>;
}

const CasesFile = z.strictObject({ cases: PolicyCases });

/** Throws `invalid-input` with line and column. */
export function parseCases(text: string): z.output<typeof PolicyCases> {
  return parseAs(CasesFile, text, LARGEST).value.cases;
}

/** The same text whenever it is the same policy. */
export function writePolicy(policy: object): string {
  return stringify(policy, { lineWidth: 0, aliasDuplicateObjects: false, schema: 'core' });
}
