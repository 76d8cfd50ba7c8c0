/** Files of policy rules, and of the cases that they are tested by. */
import { stringify } from 'yaml';
import { z } from 'zod';
import { Policy } from '../domain/policy.ts';
import { PolicyCases } from '../domain/policyCases.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';
import { parseAs } from './file.ts';

const LARGEST = 1024 * 1024;

/** What a file says of a policy: nothing stands for what it does not name. */
type Said<T> = { readonly [Part in keyof T]?: T[Part] };

/** As somebody writes it for a tenant, or to try it. Throws `invalid-input` with line and column. */
export function parseTenantPolicy(text: string): Said<TenantPolicy> {
  return saidIn(text, TenantPolicy);
}

/** Any part of a connection's policy; its time zone is the connection's. Throws `invalid-input` with line and column. */
export function parseConnectionPolicy(text: string): Said<Policy> {
  return saidIn(text, Policy);
}

function saidIn<T extends object>(text: string, schema: z.ZodType<T>): Said<T> {
  const { value } = parseAs(schema, text, LARGEST);
  const { value: named } = parseAs(z.record(z.string(), z.unknown()), text, LARGEST);
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
