/** One call of Google's API: a token that fits it, a refused token replaced once, and what a refusal means. */
import { z } from 'zod';
import { parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import { type LibraryRequest, type Send, settled, through } from './library.ts';
import { apiRefusal, saysNotThere } from './refusals.ts';
import type { Subject } from './scopes.ts';
import type { Tokens } from './token.ts';

/**
 * `isStart`: nothing was answered before, so that a refusal can only be about how the account is asked for. `resumed`: it goes on
 * from an answer before.
 */
export type Asked = {
  readonly subject: Subject;
  readonly isStart?: boolean;
  readonly resumed?: boolean;
  readonly signal: AbortSignal;
};
/** `date`: the answer's own, as it stands in its header. */
export type Reply = { readonly data: unknown; readonly date: string | null };
/** The library's own method, given the way to the session. */
export type Call = (options: ReturnType<typeof through>) => Promise<{ data: unknown }>;

export type Api = {
  ask(asked: Asked, call: Call): Promise<Reply>;
  /** One object, as the schema has it; null where Google says that there is no such thing. */
  find<Thing>(asked: Asked, schema: z.ZodType<Thing>, call: Call): Promise<Thing | null>;
};

export function openApi(send: Send, tokens: Tokens, clientId: string | null): Api {
  async function exchange(request: LibraryRequest, { subject, signal }: Asked): Promise<SessionResponse> {
    const headers = async () => {
      const token = await tokens.current(subject, signal);
      return { ...request.headers, authorization: `Bearer ${token}` };
    };
    const response = await send({ ...request, headers, signal });
    if (response.status !== 401) return response;
    tokens.discard();
    return send({ ...request, headers, signal });
  }

  async function answerTo(asked: Asked, call: Call, orNull: boolean): Promise<Reply | null> {
    let notThere = false;
    let date: string | null = null;
    const options = through(async (request) => {
      const response = await exchange(request, asked);
      date = response.headers.get('date');
      if (response.status === 200) return parseJson(response);
      notThere = orNull && saysNotThere(response);
      const { subject, isStart = false, resumed = false } = asked;
      return notThere
        ? null
        : Promise.reject(new ConnectorError(apiRefusal(response, { subject, isStart, resumed, clientId })));
    });
    const { data } = await settled(call(options), asked.signal);
    return notThere ? null : { data, date };
  }

  return {
    ask: async (asked, call) => (await answerTo(asked, call, false)) ?? { data: null, date: null },
    find: async (asked, schema, call) => {
      const reply = await answerTo(asked, call, true);
      if (reply === null) return null;
      const read = schema.safeParse(reply.data);
      if (read.success) return read.data;
      throw new ConnectorError({
        kind: 'unexpected-response',
        message: `Google's answer is not what was asked for: ${z.prettifyError(read.error)}.`,
        remedy: 'Nothing was concluded from it. If the next run says the same, report it as a defect.',
        status: 200,
      });
    },
  };
}
