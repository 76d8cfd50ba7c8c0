/** A Graph of a test's own making: a real HTTPS server that gives tokens and answers everything else as the test says. */
import type { IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';
import type { Connector } from '../../connectors/contract.ts';
import { entraDefinition, openEntra } from '../../connectors/entra/index.ts';
import type { SessionTuning } from '../../connectors/session.ts';
import { aHost } from './httpsHost.ts';

export type Asked = {
  readonly method: string;
  /** Behind the version, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly origin: string;
};
/** null: Graph knows no such object. */
export type Answered = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
} | null;
export type Answer = (asked: Asked) => Answered;

export type GraphHost = {
  readonly origin: string;
  /** Single requests and the parts of batches, in their order. */
  readonly asked: readonly Asked[];
  /** How many requests came, a batch being one. */
  readonly requests: () => number;
  /** A new connector each time; tries once more after a refusal, without waiting. */
  connect(settings?: object, tuning?: SessionTuning): Connector;
};

const notThere: NonNullable<Answered> = {
  status: 404,
  body: { error: { code: 'Request_ResourceNotFound', message: 'hunter2-hunter2' } },
};
const token = { token_type: 'Bearer', expires_in: 3599, access_token: 'a.e30.c' };

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

type Part = { id: string; method: string; url: string; headers?: Record<string, string> };

/** `wrap` makes the body of a batch of its parts' answers. */
export async function aGraph(
  answer: Answer,
  wrap: (responses: readonly object[]) => unknown = (responses) => ({ responses }),
): Promise<GraphHost> {
  const asked: Asked[] = [];
  let requests = 0;
  const ask = (method: string, url: URL, headers: Asked['headers']) => {
    const one: Asked = {
      method,
      path: url.pathname.replace('/v1.0', ''),
      query: url.searchParams,
      headers,
      origin: host.origin,
    };
    asked.push(one);
    const { status = 200, headers: own = {}, body = {} } = answer(one) ?? notThere;
    return { status, headers: own, body };
  };
  const host = await aHost((request, response) => {
    void textOf(request).then((body) => {
      const url = new URL(request.url ?? '', host.origin);
      response.setHeader('content-type', 'application/json');
      if (url.pathname.endsWith('/token')) return response.end(JSON.stringify(token));
      requests += 1;
      if (url.pathname.endsWith('/$batch')) {
        const parts = (JSON.parse(body) as { requests: Part[] }).requests;
        const responses = parts.map(({ id, method, url: path, headers = {} }) => ({
          id,
          ...ask(method, new URL(`/v1.0${path}`, host.origin), headers),
        }));
        const wrapped = wrap(responses);
        return response.end(typeof wrapped === 'string' ? wrapped : JSON.stringify(wrapped));
      }
      const { status, headers, body: said } = ask(request.method ?? '', url, request.headers);
      response.writeHead(status, headers);
      return response.end(typeof said === 'string' ? said : JSON.stringify(said));
    });
  });
  const id = crypto.randomUUID();
  return {
    origin: host.origin,
    asked,
    requests: () => requests,
    connect: (settings = {}, tuning = {}) => {
      const connector = openEntra(
        {
          settings: entraDefinition.settings.parse({ directoryId: id, clientId: id, ...settings }),
          credentials: { kind: 'secret', clientSecret: 'hunter2-hunter2' },
          network: { ...host.network, baseUrl: host.origin },
        },
        { maxRetries: 1, sleep: async () => {}, ...tuning },
      );
      onTestFinished(() => connector.close());
      return connector;
    },
  };
}

export const aUser = (id: string, more: object = {}) => ({
  id,
  accountEnabled: true,
  userPrincipalName: `${id}@contoso.example`,
  ...more,
});
export const aMember = (kind: 'user' | 'group' | 'device', id: string) => ({
  '@odata.type': `#microsoft.graph.${kind}`,
  id,
});
