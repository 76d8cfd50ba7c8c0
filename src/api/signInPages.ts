/** The pages of the sign-in: for browsers alone, so they stand in no OpenAPI document. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { invalidInput } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';
import { localPath } from '../domain/signIn.ts';
import { publicUrlFrom } from '../signIn/deps.ts';
import { ATTEMPT_MS, beginSignIn, finishSignIn, offeredProviders } from '../signIn/flow.ts';
import { invitedBy } from '../signIn/invitations.ts';
import { signInWithRecoveryCode } from '../signIn/recovery.ts';
import { csrfTokenOf } from '../signIn/secret.ts';
import {
  type Browser,
  type CameIn,
  endSession,
  endSessionsOf,
  listSessions,
  signOut,
} from '../signIn/sessions.ts';
import { setUp, setUpIsGood, setUpIsOpen } from '../signIn/setUp.ts';
import { readCookie, refuseForeign, refuseOtherOrigin, setCookie } from './cookies.ts';
import type { ApiDeps } from './deps.ts';
import { fieldsOf, LONGEST_FORM } from './form.ts';
import { isExpected, statusOf } from './problems.ts';
import * as pages from './signInHtml.ts';
import { type Visitor, visitorOf } from './visitor.ts';

/** Within a scope of its own: nothing else takes forms. */
export function serveSignIn(app: FastifyInstance, deps: ApiDeps): void {
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser<string>(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: LONGEST_FORM },
      async (_request: FastifyRequest, body: string) => fieldsOf(body),
    );
    scope.addHook('onRequest', async (_request, reply) => {
      // Forms say where they come from only if the page's policy lets them.
      reply.headers({
        'content-security-policy': pages.contentSecurityPolicy,
        'referrer-policy': 'same-origin',
      });
    });
    scope.setErrorHandler((error, request, reply) => sendFailurePage(deps, error, request, reply));
    serveSetUp(scope, deps);
    serveProviders(scope, deps);
    serveRecovery(scope, deps);
    serveAccount(scope, deps);
    done();
  });
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

function send(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(text);
}

/** A field of a form or a query; empty where it is missing or there twice. */
function field(from: unknown, name: string): string {
  const value = (from as Readonly<Record<string, unknown>> | null | undefined)?.[name];
  return typeof value === 'string' ? value : '';
}

const orNull = (text: string): string | null => (text === '' ? null : text);

/** What changes something is refused to pages of other sites, signed in or not. */
function fromOurPages(deps: ApiDeps, handler: Handler): Handler {
  return async (request, reply) => {
    refuseOtherOrigin(request, publicUrlFrom(deps));
    return await handler(request, reply);
  };
}

function browserOf(deps: ApiDeps, request: FastifyRequest): Browser {
  const publicUrl = publicUrlFrom(deps);
  return {
    address: request.ip,
    userAgent: request.headers['user-agent'],
    cookie: readCookie(request, 'session', publicUrl),
  };
}

function welcome(deps: ApiDeps, reply: FastifyReply, { cookie }: CameIn): void {
  const { longestMs } = deps.sessionLimits;
  setCookie(reply, 'session', publicUrlFrom(deps), { value: cookie, milliseconds: longestMs });
}

/** A session that opens nothing for now must not keep anybody from signing in otherwise. */
function unlessSuspended(error: unknown): null {
  if (error instanceof Problem && error.code === 'tenant-suspended') return null;
  throw error;
}

function serveSetUp(scope: FastifyInstance, deps: ApiDeps): void {
  scope.get('/set-up', async (request, reply) => {
    if (!(await setUpIsOpen(deps))) return send(reply.status(410), pages.setUpOverPage());
    const token = field(request.query, 'token');
    const isGood = token !== '' && (await setUpIsGood(deps, token, browserOf(deps, request)));
    return send(reply.status(token === '' || isGood ? 200 : 410), pages.setUpPage({ token, isGood }));
  });
  scope.post(
    '/set-up',
    fromOurPages(deps, async (request, reply) => {
      const input = { token: field(request.body, 'token'), name: field(request.body, 'name') };
      const came = await setUp(deps, input, browserOf(deps, request));
      welcome(deps, reply, came);
      return send(reply, pages.codesPage(came.principal, came.codes));
    }),
  );
}

function serveProviders(scope: FastifyInstance, deps: ApiDeps): void {
  scope.get('/sign-in', async (request, reply) => {
    const returnTo = localPath(field(request.query, 'returnTo'));
    publicUrlFrom(deps);
    const visitor = await visitorOf(deps, request).catch(unlessSuspended);
    if (visitor !== null) return reply.redirect(returnTo ?? '/account', 303);
    const providers = await offeredProviders(deps, orNull(field(request.query, 'tenant')));
    const isOpen = providers.length === 0 && (await setUpIsOpen(deps));
    return send(reply, pages.signInPage(providers, { returnTo, setUpIsOpen: isOpen }));
  });
  scope.post(
    '/sign-in',
    fromOurPages(deps, async (request, reply) => {
      const wanted = {
        provider: field(request.body, 'provider'),
        invitation: orNull(field(request.body, 'invitation')),
        returnTo: field(request.body, 'returnTo'),
      };
      const { location, attempt } = await beginSignIn(deps, wanted, browserOf(deps, request));
      setCookie(reply, 'attempt', publicUrlFrom(deps), { value: attempt, milliseconds: ATTEMPT_MS });
      return send(reply, pages.onwardPage(location));
    }),
  );
  scope.get('/sign-in/invitation', async (request, reply) => {
    publicUrlFrom(deps);
    const token = field(request.query, 'token');
    const { principal, tenantName } = await invitedBy(deps, token, browserOf(deps, request));
    const providers = await offeredProviders(deps, principal.tenant);
    return send(reply, pages.invitationPage(principal, tenantName, { providers, token }));
  });
  scope.get<{ Params: { provider: string } }>('/sign-in/callback/:provider', async (request, reply) => {
    const publicUrl = publicUrlFrom(deps);
    const sealed = readCookie(request, 'attempt', publicUrl);
    setCookie(reply, 'attempt', publicUrl, { value: '', milliseconds: 0 });
    const query = request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : '';
    const back = { provider: request.params.provider, query, sealed };
    const came = await finishSignIn(deps, back, browserOf(deps, request));
    welcome(deps, reply, came);
    return reply.redirect(came.returnTo ?? '/account', 303);
  });
}

function serveRecovery(scope: FastifyInstance, deps: ApiDeps): void {
  scope.get('/sign-in/recovery', async (_request, reply) => send(reply, pages.recoveryPage()));
  scope.post(
    '/sign-in/recovery',
    fromOurPages(deps, async (request, reply) => {
      const code = field(request.body, 'code');
      welcome(deps, reply, await signInWithRecoveryCode(deps, code, browserOf(deps, request)));
      return reply.redirect('/account', 303);
    }),
  );
}

/** How many of one's sessions the page shows. */
const SHOWN_SESSIONS = 100;

function serveAccount(scope: FastifyInstance, deps: ApiDeps): void {
  scope.get('/account', async (request, reply) => {
    const visitor = await visitorOf(deps, request);
    if (visitor === null) return reply.redirect('/sign-in?returnTo=/account', 303);
    request.caller = visitor.caller;
    const { caller, session, cookie } = visitor;
    const [tenant, sessions] = await Promise.all([
      deps.store.tenants.get(caller.tenant, caller.tenant),
      listSessions(deps, caller, { limit: SHOWN_SESSIONS }),
    ]);
    const account = {
      principal: caller.actor.name,
      role: caller.role,
      tenantName: tenant?.name ?? '',
      sessions: sessions.items,
      current: session,
      csrfToken: csrfTokenOf(cookie),
    };
    return send(reply, pages.accountPage(account));
  });
  const leaving = (handler: (visitor: Visitor) => Promise<unknown>) =>
    signedIn(deps, async (_request, reply, visitor) => {
      await handler(visitor);
      setCookie(reply, 'session', publicUrlFrom(deps), { value: '', milliseconds: 0 });
      return reply.redirect('/sign-in', 303);
    });
  scope.post(
    '/account/sign-out',
    leaving((visitor) => signOut(deps, visitor)),
  );
  scope.post(
    '/account/sign-out-everywhere',
    leaving(({ caller }) => endSessionsOf(deps, caller)),
  );
  scope.post(
    '/account/sessions/end',
    signedIn(deps, async (request, reply, { caller }) => {
      await endSession(deps, caller, field(request.body, 'session'));
      return reply.redirect('/account', 303);
    }),
  );
}

/** A form of somebody who is signed in: with the session's token, from a page of ours. */
function signedIn(
  deps: ApiDeps,
  handler: (request: FastifyRequest, reply: FastifyReply, visitor: Visitor) => Promise<FastifyReply>,
): Handler {
  return async (request, reply) => {
    const visitor = await visitorOf(deps, request);
    if (visitor === null) return reply.redirect('/sign-in', 303);
    const { cookie, caller } = visitor;
    refuseForeign(request, { cookie, token: field(request.body, 'csrf'), publicUrl: publicUrlFrom(deps) });
    request.caller = caller;
    return await handler(request, reply, visitor);
  };
}

function sendFailurePage(
  deps: ApiDeps,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = error instanceof Problem ? error : isExpected(error) ? unreadable() : null;
  const route = request.routeOptions.url ?? null;
  if (known === null)
    deps.log.error({ event: 'http.failed', method: request.method, route, request: request.id, error });
  else if (known.code.startsWith('sign-in-'))
    deps.log.warn({ event: 'sign-in.refused', code: known.code, route, request: request.id, error });
  const status = known === null ? 500 : statusOf[known.code];
  return send(reply.status(status), pages.failurePage(known, request.id));
}

function unreadable(): Problem {
  return invalidInput([{ path: '', message: 'the form cannot be read' }]);
}
