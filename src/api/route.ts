/** What a route is: one value from which the server, the parsing of requests and the OpenAPI document follow. */
import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { Action, Caller } from '../domain/permission.ts';
import type { ApiDeps } from './deps.ts';
import { unauthenticated, type Visitor } from './visitor.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What a request runs with. `caller` is null on the few routes that need no key. */
export type Context = {
  readonly deps: ApiDeps;
  readonly caller: Caller | null;
  /** null: without a session. */
  readonly visitor: Visitor | null;
  readonly signal: AbortSignal;
  /** Told the access stamp by a route that confirms its caller. Throws where the caller may be another by now. */
  readonly confirm: (access: string) => void;
};

export type Answered = {
  readonly value: unknown;
  readonly location: string | null;
  /** null: the answer has none. */
  readonly version: string | null;
};

type Description = {
  readonly method: Method;
  /** As OpenAPI writes it: `/v1/tenants/{tenant}`. Parameters of one name always hold the id of the same kind of thing. */
  readonly path: string;
  /** The use case's name; OpenAPI's operationId. */
  readonly operation: string;
  readonly summary: string;
  readonly description?: string;
  /** What the use case asks for, all of it; `key`: any valid key will do. */
  readonly needs: Action | readonly Action[] | 'key' | 'nothing';
  /** It only reads, and confirms with what it reads that its caller is who they were: the key is not looked up each time. */
  readonly confirms?: true;
  readonly status: 200 | 201 | 202 | 204;
  /** The body is a form, and failures are told as OAuth 2.0 tells them. */
  readonly form?: true;
  /** How long anybody may keep the answer, in seconds. */
  readonly keptSeconds?: number;
  /** The answer is a file of this type. */
  readonly file?: 'application/x-tar';
};

export type Route = Description & {
  /** All that it takes: members that the path names come in the path, the others in the query, or in the body where there is one. */
  readonly input: z.ZodType;
  /** Members of the input that are lists. */
  readonly lists: ReadonlySet<string>;
  /** null: the answer is empty. */
  readonly answer: z.ZodType | null;
  /** Its answers have a version, so that whoever has one need not be sent it again. */
  readonly versioned: boolean;
  /** Throws what the use case throws. */
  readonly run: (context: Context, input: Readonly<Record<string, unknown>>) => Promise<Answered>;
};

/** Use cases give values that cannot be altered; a schema's type would ask for ones that can. */
type Given<T> = T extends readonly (infer Item)[]
  ? readonly Given<Item>[]
  : T extends Date
    ? T
    : T extends object
      ? { readonly [Key in keyof T]: Given<T[Key]> }
      : T;

const nothing = z.strictObject({});

/**
 * The input is what came, unseen: the use case asks first who is calling and then parses it, with the schema that is given here. What
 * leaves goes through `answer`: fields that it does not name are left out, so that a use case which one day gives more (a
 * credential, a hash) does not publish it.
 */
export function route<Answer extends z.ZodType, Input extends z.ZodType = typeof nothing>(
  definition: Description & {
    readonly needs: Action | readonly Action[] | 'key';
    readonly input?: Input;
    readonly answer?: Answer;
    readonly handle: (request: {
      readonly deps: ApiDeps;
      readonly caller: Caller;
      readonly visitor: Visitor | null;
      readonly signal: AbortSignal;
      readonly confirm: Context['confirm'];
      readonly input: z.input<Input>;
    }) => Promise<Given<z.input<Answer>>>;
    /** Where what was made can be found. */
    readonly location?: (answer: z.output<Answer>) => string;
    /** Another one for every other answer; becomes the entity tag. */
    readonly version?: (answer: z.output<Answer>) => string;
  },
): Route {
  const {
    handle,
    location,
    version,
    input = nothing as z.ZodType,
    answer = null,
    ...description
  } = definition;
  return {
    ...description,
    input,
    lists: listsIn(input),
    answer,
    versioned: version !== undefined,
    run: async ({ deps, caller, visitor, signal, confirm }, raw) => {
      if (caller === null) throw unauthenticated();
      const request = { deps, caller, visitor, signal, confirm };
      const given = await handle({ ...request, input: raw as z.input<Input> });
      if (answer === null) return { value: null, location: null, version: null };
      const value = answer.parse(given);
      return { value, location: location?.(value) ?? null, version: version?.(value) ?? null };
    },
  };
}

/** A file that is sent as it is read. */
export type SentFile = { readonly name: string; readonly stream: Readable };

/** A route whose answer is a file. */
export function fileRoute<Input extends z.ZodType>(
  definition: Description & {
    readonly needs: Action | readonly Action[];
    readonly file: NonNullable<Description['file']>;
    readonly input: Input;
    readonly handle: (request: {
      readonly deps: ApiDeps;
      readonly caller: Caller;
      readonly signal: AbortSignal;
      readonly input: z.input<Input>;
    }) => Promise<SentFile>;
  },
): Route {
  const { handle, input, ...description } = definition;
  return {
    ...description,
    input,
    lists: listsIn(input),
    answer: null,
    versioned: false,
    run: async ({ deps, caller, signal }, raw) => {
      if (caller === null) throw unauthenticated();
      const value = await handle({ deps, caller, signal, input: raw as z.input<Input> });
      return { value, location: null, version: null };
    },
  };
}

/** A route for everybody: it knows no caller. What comes in goes unseen to its use case. */
export function openRoute<Answer extends z.ZodType>(
  definition: Pick<Description, 'path' | 'operation' | 'summary' | 'description' | 'form' | 'keptSeconds'> & {
    readonly method?: Method;
    readonly input?: z.ZodType;
    readonly answer: Answer;
    readonly handle: (
      deps: ApiDeps,
      input: Readonly<Record<string, unknown>>,
    ) => Promise<Given<z.input<Answer>>>;
  },
): Route {
  const { handle, answer, method = 'GET', input = nothing, ...description } = definition;
  return {
    ...description,
    method,
    needs: 'nothing',
    status: 200,
    input,
    lists: new Set(),
    answer,
    versioned: false,
    run: async ({ deps }, raw) => ({
      value: answer.parse(await handle(deps, raw)),
      location: null,
      version: null,
    }),
  };
}

function listsIn(input: z.ZodType): ReadonlySet<string> {
  const members = input instanceof z.ZodObject ? Object.entries(input.shape) : [];
  return new Set(members.flatMap(([name, schema]) => (isList(schema) ? [name] : [])));
}

function isList(schema: unknown): boolean {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return isList(schema.unwrap());
  return schema instanceof z.ZodArray;
}

/** The names in braces. */
export function namesInPath(path: string): readonly string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => name ?? []);
}

export function takesBody(method: Method): boolean {
  return method === 'POST' || method === 'PATCH';
}
