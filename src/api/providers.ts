/** The providers that a connection can be made for, and what each asks for. */
import { z } from 'zod';
import { Provider } from '../domain/directory.ts';
import { route } from './route.ts';

const JsonSchema = z.record(z.string(), z.unknown());

const ProviderView = z
  .object({
    provider: Provider,
    title: z.string().describe('What people call it.'),
    abilities: z.object({
      groups: z.boolean(),
      nestedGroups: z.boolean(),
      orgUnits: z.boolean(),
      deletedUsers: z.boolean(),
      lookUp: z.boolean(),
      delta: z.boolean(),
      notifications: z.boolean(),
    }),
    settings: JsonSchema.describe('JSON Schema of a connection’s `settings`.'),
    credentials: JsonSchema.describe('JSON Schema of a connection’s `credentials`.'),
  })
  .meta({ id: 'Provider' });

export const providers = [
  route({
    method: 'GET',
    path: '/v1/providers',
    operation: 'listProviders',
    summary: 'List providers with what they can do and what they ask for',
    needs: 'key',
    status: 200,
    answer: z.object({ items: z.array(ProviderView) }),
    handle: async ({ deps }) => ({
      items: Object.values(deps.connectors).map(({ provider, title, abilities, settings, credentials }) => ({
        provider,
        title,
        abilities,
        settings: asJsonSchema(settings),
        credentials: asJsonSchema(credentials),
      })),
    }),
  }),
];

function asJsonSchema(schema: z.ZodType): Record<string, unknown> {
  return { ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) };
}
