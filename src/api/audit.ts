/** The audit log: what it says, and whether it is whole. */
import { z } from 'zod';
import { ACTOR_KINDS } from '../domain/audit.ts';
import { EvidenceRequest, SHOWN_IN_PACKS } from '../evidence/pack.ts';
import { sendEvidence } from '../evidence/stream.ts';
import { AuditFilter, listAudit, VerifiedTenants, verifyAudit } from '../review/audit.ts';
import { pageOf } from './page.ts';
import { fileRoute, route } from './route.ts';

export const Actor = z.object({
  kind: z.enum(ACTOR_KINDS),
  id: z.string().nullable(),
  name: z.string(),
});

const AuditEntry = z
  .object({
    number: z.number().int(),
    at: z.iso.datetime(),
    actor: Actor,
    action: z.string(),
    subject: z.object({ kind: z.string(), id: z.string() }),
    details: z.record(z.string(), z.unknown()),
    hash: z.string().describe('SHA-256 over the hash before and all that this entry says, hexadecimal.'),
  })
  .meta({ id: 'AuditEntry' });

export const audit = [
  route({
    method: 'GET',
    path: '/v1/audit',
    operation: 'listAudit',
    summary: 'List the audit log of a tenant',
    needs: 'audit.read',
    input: AuditFilter,
    status: 200,
    answer: pageOf(AuditEntry),
    handle: async ({ deps, caller, input }) => {
      const { items, next } = await listAudit(deps, caller, input);
      return { items, next: next === null ? null : String(next) };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/audit/verification',
    operation: 'verifyAudit',
    summary: 'Verify audit logs',
    needs: 'audit.read',
    input: VerifiedTenants,
    status: 200,
    answer: z.object({
      tenants: z.array(
        z.object({
          tenant: z.uuid(),
          tenantName: z.string().nullable().describe('null: it was deleted.'),
          entries: z.number().int(),
          ok: z.boolean(),
          brokenAt: z
            .number()
            .int()
            .optional()
            .describe('Number of the first entry that is not what it was.'),
          because: z.string().optional(),
        }),
      ),
    }),
    handle: ({ deps, caller, input }) => verifyAudit(deps, caller, input),
  }),
  fileRoute({
    method: 'POST',
    path: '/v1/audit/evidence',
    operation: 'exportEvidence',
    summary: 'Export the evidence of a period, as a tar file',
    description:
      'Audit entries, changes with their decisions, applies, and users with their roles at the end of the period, as JSON Lines and CSV; a signed manifest with the hash of each file. `rollcall audit check` verifies what was unpacked, without a database. That it was exported stands in the audit log.',
    needs: SHOWN_IN_PACKS,
    input: EvidenceRequest,
    status: 200,
    file: 'application/x-tar',
    handle: ({ deps, caller, input, signal }) => sendEvidence(deps, caller, input, signal),
  }),
];
