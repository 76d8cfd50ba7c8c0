/** API keys: what was made for whom, how far each carries, and how one takes another's place. */
import { z } from 'zod';
import { ACTIONS } from '../domain/permission.ts';
import { createKey, listKeys, NewKey, RotatedKey, revokeKey, rotateKey } from '../tenancy/apiKeys.ts';
import { ListPrincipals } from '../tenancy/principals.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const ApiKey = z
  .object({
    id: z.uuid(),
    principal: z.uuid(),
    name: z.string(),
    tenant: z.uuid().nullable().describe('Where alone it holds; null: wherever its principal’s role does.'),
    permissions: z
      .array(z.enum(ACTIONS))
      .nullable()
      .describe('All that it may, as far as its principal may; null: what its principal may.'),
    createdAt: Moment,
    expiresAt: Moment.nullable().describe('null: it does not expire.'),
    revokedAt: Moment.nullable().describe('null: it is good until it expires.'),
    lastUsedAt: Moment.nullable().describe('To the minute or so; null: never.'),
    replaces: z.uuid().nullable().describe('The key that it took the place of.'),
  })
  .meta({ id: 'ApiKey' });

const MadeKey = z.object({
  id: z.uuid(),
  key: z.string().describe('Shown this once.'),
  expiresAt: Moment.nullable().describe('null: it does not expire.'),
});

export const apiKeys = [
  route({
    method: 'POST',
    path: '/v1/principals/{principal}/keys',
    operation: 'createKey',
    summary: 'Make an API key for a principal',
    description:
      'The key is shown this once; Rollcall keeps only its hash. It can be narrowed to a tenant below its principal’s, and to some of its principal’s permissions; it cannot do more than whoever makes it.',
    needs: 'principals.write',
    input: NewKey,
    status: 201,
    answer: MadeKey,
    handle: ({ deps, caller, input }) => createKey(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/keys',
    operation: 'listKeys',
    summary: 'List API keys',
    description:
      'What was made for whom, oldest first, revoked and expired ones among them; never the keys themselves.',
    needs: 'principals.read',
    input: ListPrincipals,
    status: 200,
    answer: pageOf(ApiKey),
    handle: ({ deps, caller, input }) => listKeys(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/keys/{key}/rotate',
    operation: 'rotateKey',
    summary: 'Replace an API key without a pause',
    description:
      'The new key is shown this once and may what the old one may; the old one stays good for the overlap, a day unless told otherwise.',
    needs: 'principals.write',
    input: RotatedKey,
    status: 201,
    answer: MadeKey.extend({
      replaces: z.uuid(),
      oldExpiresAt: Moment.describe('Until when the old key opens at the longest.'),
    }),
    handle: ({ deps, caller, input }) => rotateKey(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/keys/{key}',
    operation: 'revokeKey',
    summary: 'Revoke an API key',
    description: 'It stops working at once. Again changes nothing.',
    needs: 'principals.write',
    input: z.object({ key: z.uuid() }),
    status: 204,
    handle: ({ deps, caller, input }) => revokeKey(deps, caller, input.key),
  }),
];
