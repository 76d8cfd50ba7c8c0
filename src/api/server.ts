/** The HTTP server: who is asking, which route, what is answered, what is logged. Everything else is in the routes and the use cases. */
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { v7 } from 'uuid';
import packageJson from '../../package.json' with { type: 'json' };
import { TokenKeys } from '../authorization/tokenKeys.ts';
import { invalidInput } from '../domain/input.ts';
import type { Caller } from '../domain/permission.ts';
import { Problem, type ProblemCode } from '../domain/problem.ts';
import { publicUrlOf } from '../domain/signIn.ts';
import { removeLeftovers } from '../evidence/stream.ts';
import { Failures } from '../signIn/failures.ts';
import { Discoveries } from '../signIn/openId.ts';
import { acceptCookies } from './cookies.ts';
import type { ApiDeps } from './deps.ts';
import { accessOf, callerOf, noteAct, noteAnswer, SUPPORT_HEADER } from './during.ts';
import { serveForms } from './forms.ts';
import { openApiDocument } from './openapi.ts';
import { describeFailure, isExpected } from './problems.ts';
import { referencePage } from './reference.ts';
import { RememberedCallers } from './remembered.ts';
import { namesInPath, type Route, type SentFile, takesBody } from './route.ts';
import { routes } from './routes.ts';
import { serveSignIn } from './signInPages.ts';
import { untilGone } from './untilGone.ts';
import { authenticate, type Visitor } from './visitor.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
    /** Who came by a cookie. */
    visitor: Visitor | null;
    /** Whether it stands in the log of the tenant that its support access is for. */
    isNoted: boolean;
  }
}

const MEBIBYTE = 1_048_576;
const LONGEST_REQUEST_MS = 60_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What only a server that listens knows is left out. */
type ServerDeps = Omit<ApiDeps, 'publicUrl' | 'failures' | 'discoveries' | 'tokenKeys'>;

/** `port` 0 takes a free one. Throws `port-in-use`. `close` lets the requests under way end. */
export async function openServer(
  given: ServerDeps,
  config: {
    readonly host: string;
    readonly port: number;
    readonly publicUrl?: string | null;
    readonly trustedProxies?: readonly string[];
  },
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const app = fastify({
    logger: false,
    genReqId: ({ headers }) => requestIdOf(headers),
    bodyLimit: MEBIBYTE,
    requestTimeout: LONGEST_REQUEST_MS,
    trustProxy: [...(config.trustedProxies ?? [])],
    routerOptions: { maxParamLength: 300 },
    frameworkErrors: (error, request, reply) => {
      secure(reply, request.id);
      return sendFailure(reply, error, request.id);
    },
  });
  const deps: ApiDeps = {
    ...given,
    publicUrl: () =>
      publicUrlOf({ publicUrl: config.publicUrl ?? null, host: config.host, port: portOf(app) }),
    failures: {
      secrets: new Failures(given.clock),
      providers: new Failures(given.clock),
      beginnings: new Failures(given.clock),
    },
    discoveries: new Discoveries(given.clock),
    tokenKeys: new TokenKeys(given),
  };
  app.decorateRequest('caller', null);
  app.decorateRequest('visitor', null);
  app.decorateRequest('isNoted', false);
  acceptEmptyBodies(app);
  acceptCookies(app);
  answerAndLog(app, deps);
  const lookUp = async (request: FastifyRequest) => {
    const { caller, visitor } = await authenticate(deps, request);
    request.visitor = visitor;
    return await callerOf(deps, caller, request);
  };
  const remembered = new RememberedCallers(lookUp, () => deps.store.authorization.accessStamp(), deps.clock);
  for (const route of routes.filter(({ form }) => form !== true))
    serve(app, deps, route, { lookUp, remembered });
  serveForms(
    app,
    deps,
    routes.filter(({ form }) => form === true),
  );
  serveReference(app);
  serveSignIn(app, deps);
  await removeLeftovers();
  await listen(app, config);
  return { url: urlOf(app.server.address() as AddressInfo), close: () => app.close() };
}

/** Its sender may choose one; not during a support access, where it puts the tenant's entries about one request together. */
function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers[SUPPORT_HEADER] === undefined ? headers['x-request-id'] : undefined;
  return typeof given === 'string' && UUID.test(given) ? given.toLowerCase() : v7();
}

/** Many clients announce JSON on every request, also where there is nothing to say. */
function acceptEmptyBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else void parse(request, body as string, done);
  });
}

function answerAndLog(app: FastifyInstance, deps: ApiDeps): void {
  app.addHook('onRequest', async (request, reply) => secure(reply, request.id));
  app.addHook('onResponse', async (request, reply) => {
    deps.log.info({
      event: 'http.answered',
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime * 10) / 10,
      principal: request.caller?.principal ?? null,
      supportAccess: accessOf(request.caller),
      request: request.id,
    });
  });
  app.setErrorHandler((error, request, reply) => {
    if (!isExpected(error))
      deps.log.error({
        event: 'http.failed',
        method: request.method,
        route: request.routeOptions.url ?? null,
        principal: request.caller?.principal ?? null,
        request: request.id,
        error,
      });
    return sendFailure(reply, error, request.id);
  });
  app.setNotFoundHandler((request, reply) => sendFailure(reply, noSuchRoute(), request.id));
}

function noSuchRoute(): Problem {
  return new Problem({
    code: 'not-found',
    message: 'There is no such route.',
    remedy: 'Look at /docs for the routes there are; the method counts too.',
  });
}

/** Nothing of the API is for a browser to interpret, frame or keep. The reference page loosens this for itself. */
function secure(reply: FastifyReply, requestId: string): void {
  reply.headers({
    'x-request-id': requestId,
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  });
}

function sendFailure(reply: FastifyReply, error: unknown, requestId: string): FastifyReply {
  const body = describeFailure(error, requestId);
  if (body.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer realm="rollcall"');
  const bytes = Buffer.from(JSON.stringify(body)); // to a text Fastify would add a charset, which this media type does not have
  return reply.status(body.status).type('application/problem+json').send(bytes);
}

type Callers = {
  readonly lookUp: (request: FastifyRequest) => Promise<Caller>;
  readonly remembered: RememberedCallers;
};

function serve(app: FastifyInstance, deps: ApiDeps, route: Route, { lookUp, remembered }: Callers): void {
  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    // Before the body is read: nobody makes us read a mebibyte without a key.
    ...(route.needs === 'nothing'
      ? {}
      : {
          onRequest: async (request: FastifyRequest) => {
            request.caller = await (route.confirms ? remembered.identify(request) : lookUp(request));
          },
          onSend: async (request: FastifyRequest, reply: FastifyReply) => noteAnswer(deps, request, reply),
        }),
    handler: async (request, reply) => {
      const { visitor } = request;
      const gone = untilGone(reply);
      const input = inputOf(route, request);
      const up = await noteAct(deps, route, request, reply, input);
      const signal = up === null ? gone : AbortSignal.any([gone, up]);
      const { value, location, version } = await remembered.confirmed(request, (caller, confirm) =>
        route.run({ deps, caller, visitor, signal, confirm }, input),
      );
      if (location !== null) reply.header('location', location);
      if (version !== null && isKnown(version, request, reply)) return reply.status(304).send();
      if (route.keptSeconds !== undefined)
        reply.header('cache-control', `public, max-age=${route.keptSeconds}`);
      reply.status(route.status);
      if (route.file !== undefined) return sendFile(reply, route.file, value as SentFile);
      return route.answer === null ? reply.send() : value;
    },
  });
}

function sendFile(reply: FastifyReply, type: string, { name, stream }: SentFile): FastifyReply {
  return reply.type(type).header('content-disposition', `attachment; filename="${name}"`).send(stream);
}

/** Names the version of the answer, and says whether the caller has it already (RFC 9110, section 13.1.2). */
function isKnown(version: string, { headers }: FastifyRequest, reply: FastifyReply): boolean {
  const tag = `"${version}"`;
  reply.headers({ etag: tag, 'cache-control': 'private, no-cache' });
  const known = headers['if-none-match']?.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return known?.some((one) => one === tag || one === '*') ?? false;
}

/** Path and body, or path and query, as one: what the use case parses. What stands in the path is said there alone. */
function inputOf(route: Route, { params, query, body }: FastifyRequest): Record<string, unknown> {
  const rest = takesBody(route.method) ? (body ?? {}) : asLists(query as object, route.lists);
  if (typeof rest !== 'object' || Array.isArray(rest))
    throw invalidInput([{ path: '', message: 'the body is not a JSON object' }]);
  const twice = namesInPath(route.path).filter((name) => Object.hasOwn(rest, name));
  if (twice.length > 0)
    throw invalidInput(twice.map((path) => ({ path, message: 'stands in the path and nowhere else' })));
  return { ...rest, ...(params as Record<string, unknown>) };
}

/** `?state=open` is a list of one; only `?state=open&state=held` looks like a list by itself. */
function asLists(query: object, lists: ReadonlySet<string>): Record<string, unknown> {
  const entries = Object.entries(query);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, lists.has(name) && typeof value === 'string' ? [value] : value]),
  );
}

function serveReference(app: FastifyInstance): void {
  const document = openApiDocument(routes, packageJson.version);
  const { html, contentSecurityPolicy } = referencePage(document);
  app.get('/', (_request, reply) => reply.redirect('/docs'));
  app.get('/openapi.json', (_request, reply) => reply.send(document));
  app.get('/docs', (_request, reply) =>
    reply
      .header('content-security-policy', contentSecurityPolicy)
      .type('text/html; charset=utf-8')
      .send(html),
  );
}

/** What the system says when an address cannot be listened on, and what helps. */
const cannotListen = {
  EADDRINUSE: {
    code: 'port-in-use',
    because: 'something listens there already',
    remedy: 'Stop what is listening there, or set ROLLCALL_PORT to another port (0 takes a free one).',
  },
  EACCES: {
    code: 'bad-configuration',
    because: 'this user may not',
    remedy: 'Set ROLLCALL_PORT to 1024 or higher, or give the process the right to use the port.',
  },
  EADDRNOTAVAIL: {
    code: 'bad-configuration',
    because: 'this machine does not have that address',
    remedy: 'Set ROLLCALL_HOST to an address of this machine: 127.0.0.1, or 0.0.0.0 for all.',
  },
  ENOTFOUND: {
    code: 'bad-configuration',
    because: 'that host name has no address',
    remedy: 'Set ROLLCALL_HOST to an address of this machine: 127.0.0.1, or 0.0.0.0 for all.',
  },
} as const satisfies Record<string, { code: ProblemCode; because: string; remedy: string }>;

async function listen(app: FastifyInstance, config: { readonly host: string; readonly port: number }) {
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    await app.close();
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || !Object.hasOwn(cannotListen, code)) throw error;
    const found = cannotListen[code as keyof typeof cannotListen];
    const message = `Cannot listen on port ${config.port} of ${config.host}: ${found.because}.`;
    throw new Problem({ code: found.code, message, remedy: found.remedy }, { cause: error });
  }
}

/** 0 until it listens. */
function portOf(app: FastifyInstance): number {
  const address = app.server.address();
  return address === null || typeof address === 'string' ? 0 : address.port;
}

function urlOf({ address, family, port }: AddressInfo): string {
  const host = family === 'IPv6' ? `[${address}]` : address;
  return `http://${host}:${port}`;
}
