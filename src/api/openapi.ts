/** The OpenAPI 3.1 document, made from the same schemas that requests are parsed with and answers leave through. */
import { z } from 'zod';
import { ProblemBody } from './problems.ts';
import { namesInPath, type Route, takesBody } from './route.ts';

type JsonSchema = { [key: string]: unknown };

export type Operation = {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  /** All that is asked for; absent where any key will do, or none is needed. */
  readonly 'x-permissions'?: readonly string[];
  readonly security?: readonly [];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: true; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
};
type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
};
type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>;

export type Document = {
  readonly openapi: '3.1.1';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: JsonSchema;
  };
  readonly security: readonly JsonSchema[];
};

const introduction = [
  'Keeps an application’s users in step with its customers’ directories.',
  'Every request carries an API key, `Authorization: Bearer rc_…`, or the cookie of a session; with the cookie, what changes something also needs the header `x-csrf-token` with what `GET /v1/session` says. What it may see is the subtree of its principal’s tenant, what it may do follows from the principal’s role; a key may be made for less of both.',
  'A support access that was granted is named in the header `rollcall-support-access: <id>`: the request is then made in its tenant, with its permissions, and stands in that tenant’s audit log.',
  'Lists come in pages: `next` is the `after` of the following page, and null at the end.',
  'Failures are problem details (RFC 9457) with a stable `code`, and a `remedy`.',
].join('\n\n');

export function openApiDocument(routes: readonly Route[], version: string): Document {
  const schemas: Record<string, JsonSchema> = {};
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: operationOf(route, (schema, io) => toJson(schema, io, schemas)),
    };
  }
  return {
    openapi: '3.1.1',
    info: { title: 'Rollcall', version, description: introduction },
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key: `rc_…`' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-rollcall',
          description: 'A session, from the page /sign-in; on plain http, of this machine alone, `rollcall`.',
        },
      },
    },
    security: [{ key: [] }, { session: [] }],
  };
}

const bodyType = ({ form }: Route) =>
  form === true ? 'application/x-www-form-urlencoded' : 'application/json';

type ToJson = (schema: z.ZodType, io: 'input' | 'output') => JsonSchema;

function operationOf(route: Route, json: ToJson): Operation {
  const { parameters, body } = inputOf(route, json(route.input, 'input'));
  const problem: Content = { 'application/problem+json': { schema: json(ProblemBody, 'output') } };
  return {
    operationId: route.operation,
    tags: [route.path.split('/')[2] ?? 'health'],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    ...(route.needs === 'nothing' ? { security: [] as const } : {}),
    ...(route.needs === 'nothing' || route.needs === 'key' ? {} : { 'x-permissions': [route.needs].flat() }),
    ...(parameters.length > 0
      ? { parameters: route.versioned ? [...parameters, knownVersion] : parameters }
      : {}),
    ...(body === null
      ? {}
      : { requestBody: { required: true as const, content: { [bodyType(route)]: { schema: body } } } }),
    responses: {
      [String(route.status)]: {
        description:
          route.status === 202 ? 'It was taken on and is carried out in the background.' : 'It was done.',
        ...answerOf(route, json),
      },
      ...(route.versioned ? { '304': { description: 'It is what `If-None-Match` names.' } } : {}),
      default: { description: 'It was not done; this says why, and what helps.', content: problem },
    },
  };
}

function answerOf({ answer, file }: Route, json: ToJson): { readonly content?: Content } {
  if (file !== undefined) return { content: { [file]: { schema: { type: 'string', format: 'binary' } } } };
  return answer === null ? {} : { content: { 'application/json': { schema: json(answer, 'output') } } };
}

const knownVersion: Parameter = {
  name: 'If-None-Match',
  in: 'header',
  required: false,
  description: 'The `ETag` of an earlier answer: where it still holds, the answer is an empty 304.',
  schema: { type: 'string' },
};

/** The schema's members, each where it comes in. Query parameters are all optional: a list without any is its first page. */
function inputOf(route: Route, schema: JsonSchema): { parameters: Parameter[]; body: JsonSchema | null } {
  const members = (schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
  const inPath = namesInPath(route.path);
  const path = inPath.map(
    (name): Parameter => ({ name, in: 'path', required: true, schema: members[name] ?? { type: 'string' } }),
  );
  const others = Object.entries(members).filter(([name]) => !inPath.includes(name));
  if (!takesBody(route.method)) {
    const query = others.map(([name, member]): Parameter => {
      const { description, ...schema } = withoutNull(member);
      return {
        name,
        in: 'query',
        required: false,
        ...(typeof description === 'string' ? { description } : {}),
        schema,
      };
    });
    return { parameters: [...path, ...query], body: null };
  }
  const isOneObject = schema['type'] === 'object';
  if (isOneObject && others.length === 0) return { parameters: path, body: null };
  if (!isOneObject) return { parameters: path, body: schema };
  const required = ((schema['required'] ?? []) as readonly string[]).filter((name) => !inPath.includes(name));
  return {
    parameters: path,
    body: {
      ...schema,
      properties: Object.fromEntries(others),
      ...(required.length > 0 ? { required } : { required: undefined }),
    },
  };
}

/** In a query, null is said by leaving the parameter out. */
function withoutNull({ default: standard, ...schema }: JsonSchema): JsonSchema {
  const said = standard === null || standard === undefined ? {} : { default: standard };
  if (Array.isArray(schema['type'])) {
    const [type, ...others] = schema['type'].filter((name) => name !== 'null');
    return { ...schema, type: others.length === 0 ? type : [type, ...others], ...said };
  }
  const { anyOf, ...rest } = schema;
  const variants = anyOf as readonly JsonSchema[] | undefined;
  const [variant, ...others] = variants?.filter(({ type }) => type !== 'null') ?? [];
  return variant !== undefined && others.length === 0
    ? { ...rest, ...variant, ...said }
    : { ...schema, ...said };
}

/**
 * Schemas with an id (`.meta({ id })`) are put into `named` and referred to. What we are sent is another schema than what we answer, which
 * has a value for every default.
 */
function toJson(schema: z.ZodType, io: 'input' | 'output', named: Record<string, JsonSchema>): JsonSchema {
  const { $schema, $defs, ...json } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any', // dates, which the override describes
    override: ({ zodSchema, jsonSchema }) => tidy(zodSchema._zod.def.type, jsonSchema as JsonSchema, io),
  }) as JsonSchema;
  const suffix = io === 'input' ? 'Input' : '';
  for (const [name, definition] of Object.entries(($defs ?? {}) as Record<string, JsonSchema>))
    named[name + suffix] = referringToComponents(definition, suffix);
  return referringToComponents(json, suffix);
}

/** Leaves out what only makes the document longer to read: what a format says already, and the bounds of a JavaScript integer. */
function tidy(zodType: string, schema: JsonSchema, io: 'input' | 'output'): void {
  // More fields may come with a later version; only what is sent to us must not have any others.
  if (io === 'output' && schema['additionalProperties'] === false) delete schema['additionalProperties'];
  if (zodType === 'date') Object.assign(schema, { type: 'string', format: 'date-time' });
  if (schema['format'] === 'uuid' || schema['format'] === 'date-time') delete schema['pattern'];
  if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum'];
  if (schema['minimum'] === Number.MIN_SAFE_INTEGER) delete schema['minimum'];
  delete schema['id'];
}

function referringToComponents(schema: JsonSchema, suffix: string): JsonSchema {
  const text = JSON.stringify(schema).replaceAll(
    /"\$ref":"#\/\$defs\/(\w+)"/g,
    `"$$ref":"#/components/schemas/$1${suffix}"`,
  );
  return JSON.parse(text) as JsonSchema;
}
