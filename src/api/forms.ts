/** Routes that take a form and answer as OAuth 2.0 does: for libraries that speak it, and know nothing of problem details. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GrantRefused } from '../authorization/accessToken.ts';
import { Problem } from '../domain/problem.ts';
import type { ApiDeps } from './deps.ts';
import { type Fields, fieldsOf, LONGEST_FORM } from './form.ts';
import { statusOf } from './problems.ts';
import type { Route } from './route.ts';
import { untilGone } from './untilGone.ts';

/** Within a scope of its own: nothing else of the API takes forms. */
export function serveForms(app: FastifyInstance, deps: ApiDeps, routes: readonly Route[]): void {
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser<string>(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: LONGEST_FORM },
      async (_request: FastifyRequest, body: string) => grantIn(body),
    );
    const general = scope.errorHandler;
    scope.setErrorHandler((error, request, reply) => {
      const refusal = refusalOf(error);
      return refusal === null
        ? general(error as Error & { code: string }, request, reply)
        : refuse(reply, refusal);
    });
    for (const route of routes) {
      scope.route({
        method: route.method,
        url: route.path,
        handler: async (request, reply) => {
          const input = { ...(request.body as object | undefined), ...credentialsIn(request) };
          const context = {
            deps,
            caller: null,
            visitor: null,
            signal: untilGone(reply),
            confirm: () => {},
          };
          return (await route.run(context, input)).value;
        },
      });
    }
    done();
  });
}

/** Throws `GrantRefused`. */
function grantIn(body: string): Fields {
  try {
    return fieldsOf(body);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new GrantRefused('invalid_request', 'The form has too many fields.');
  }
}

/** Client id and secret as HTTP Basic, each encoded as in a form (RFC 6749, section 2.3.1). */
function credentialsIn({ headers }: FastifyRequest): Record<string, string> {
  const encoded = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(headers.authorization ?? '')?.[1];
  if (encoded === undefined) return {};
  const [, id, secret] = /^([^:]*):(.*)$/.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
  const plain = (text = '') => new URLSearchParams(`text=${text}`).get('text') ?? '';
  return { client_id: plain(id), client_secret: plain(secret) };
}

type Refusal = { readonly status: number; readonly error: string; readonly error_description: string };

/** null: not for the client to know more about. */
function refusalOf(error: unknown): Refusal | null {
  if (error instanceof GrantRefused) {
    const status = error.error === 'invalid_client' ? 401 : 400;
    return { status, error: error.error, error_description: error.message };
  }
  if (!(error instanceof Problem)) return null;
  const status = statusOf[error.code];
  const kind = status >= 500 ? 'server_error' : 'unauthorized_client';
  return { status, error: kind, error_description: `${error.message} ${error.remedy}` };
}

function refuse(reply: FastifyReply, { status, ...body }: Refusal): FastifyReply {
  if (status === 401) reply.header('www-authenticate', 'Basic realm="rollcall"');
  return reply.status(status).send(body);
}
