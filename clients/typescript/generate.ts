/**
 * `npm run client`: writes api.ts from the OpenAPI document that the server itself serves. Only what the document says goes in, so that
 * the same works for a document of another version.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { type Document, openApiDocument } from '../../src/api/openapi.ts';
import { routes } from '../../src/api/routes.ts';

type Schema = { readonly [key: string]: unknown };

export const GENERATED = join(import.meta.dirname, 'api.ts');

/** The whole text of api.ts. */
export function generate({ paths, components }: Document): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const json = operations
    .filter(
      ({ operation }) => operation.requestBody?.content['application/x-www-form-urlencoded'] === undefined,
    )
    .filter(({ operation }) => operation.responses['200']?.content?.['application/x-tar'] === undefined)
    .sort((a, b) => (a.operation.operationId < b.operation.operationId ? -1 : 1));
  return [
    `/** The API of Rollcall. Written by \`npm run client\` from its OpenAPI document: not to be edited. */`,
    ...Object.entries(components.schemas).map(
      ([name, schema]) => `\n${comment(schema)}export type ${name} = ${typeOf(schema as Schema)};`,
    ),
    `\n/** By operation: what it takes, members of path, query and body as one, and what it answers. */`,
    `export type Operations = {`,
    ...json.map(({ operation }) =>
      indented(
        `${comment({ description: operation.summary })}${operation.operationId}: { input: ${inputOf(operation)}; answer: ${answerOf(operation)} };`,
      ),
    ),
    `};`,
    `\n/** Where each operation is found, and which members of its input go into the query. */`,
    `export const operations = {`,
    ...json.map(({ path, method, operation }) => {
      const query = (operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name);
      return `  ${operation.operationId}: { method: '${method}', path: '${path}', query: ${JSON.stringify(query)}, body: ${operation.requestBody !== undefined} },`;
    }),
    `} as const satisfies Record<keyof Operations, { readonly method: string; readonly path: string; readonly query: readonly string[]; readonly body: boolean }>;`,
    '',
  ].join('\n');
}

type Operation = Document['paths'][string][string];

function inputOf({ parameters = [], requestBody }: Operation): string {
  const named = parameters
    .filter((one) => one.in !== 'header')
    .map(({ name, required, schema }) => `${key(name)}${required ? '' : '?'}: ${typeOf(schema, 'input')}`);
  const own = named.length === 0 ? [] : [`{ ${named.join('; ')} }`];
  const body = requestBody?.content['application/json']?.schema;
  const parts = body === undefined ? own : [...own, typeOf(body, 'input')];
  return parts.length === 0 ? 'Record<string, never>' : parts.join(' & ');
}

function answerOf({ responses }: Operation): string {
  const [, response] = Object.entries(responses).find(([status]) => /^2/.test(status)) ?? [];
  const schema = response?.content?.['application/json']?.schema;
  return schema === undefined ? 'null' : typeOf(schema);
}

/** What has a default need not be sent, and is always answered. */
function typeOf(schema: Schema, of: 'input' | 'answer' = 'answer'): string {
  if (typeof schema['$ref'] === 'string') return schema['$ref'].split('/').at(-1) ?? 'unknown';
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (Array.isArray(schema['enum'])) return schema['enum'].map((value) => JSON.stringify(value)).join(' | ');
  for (const [word, joint] of [
    ['anyOf', ' | '],
    ['oneOf', ' | '],
    ['allOf', ' & '],
  ] as const) {
    const variants = schema[word];
    if (Array.isArray(variants)) return `(${variants.map((one) => typeOf(one, of)).join(joint)})`;
  }
  const type = schema['type'];
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one }, of)).join(' | ');
  return plainType(type, schema, of);
}

function plainType(type: unknown, schema: Schema, of: 'input' | 'answer'): string {
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'number':
    case 'integer':
      return 'number';
    case 'array':
      return `readonly ${wrapped(typeOf((schema['items'] ?? {}) as Schema, of))}[]`;
    case 'object':
      return objectType(schema, of);
    default:
      return 'unknown';
  }
}

const wrapped = (type: string) => (/^[\w.]+$|^\{.*\}$/s.test(type) ? type : `(${type})`);

function objectType(schema: Schema, of: 'input' | 'answer'): string {
  const required = new Set((schema['required'] ?? []) as readonly string[]);
  const members = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>).map(
    ([name, member]) => {
      const isThere = required.has(name) && !(of === 'input' && 'default' in member);
      return `${comment(member)}readonly ${key(name)}${isThere ? '' : '?'}: ${typeOf(member, of)}`;
    },
  );
  const others = schema['additionalProperties'];
  if (members.length > 0) return `{\n${members.map((member) => `${indented(member)};`).join('\n')}\n}`;
  const value = typeof others === 'object' ? typeOf(others as Schema, of) : 'unknown';
  return `{ readonly [name: string]: ${value} }`;
}

const key = (name: string) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

function comment({ description }: Schema): string {
  return typeof description === 'string' ? `/** ${description.replaceAll('*/', '*\\/')} */\n` : '';
}

const indented = (text: string) => `  ${text.replaceAll('\n', '\n  ')}`;

if (process.argv[1] === import.meta.filename)
  writeFileSync(GENERATED, generate(openApiDocument(routes, packageJson.version)));
