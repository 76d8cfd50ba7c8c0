/** `POST /v1.0/$batch` ("Combine multiple HTTP requests using JSON batching"). */
import { z } from 'zod';
import { type ApiRequest, type Ask, json, type Plain } from '../protocol.ts';
import { refuse } from './answers.ts';

const Batch = z.object({
  requests: z
    .array(
      z.object({
        id: z.string().min(1),
        method: z.literal(['GET', 'POST']),
        url: z.string().startsWith('/'),
        headers: z.record(z.string(), z.string()).default({}),
        body: z.unknown().optional(),
      }),
    )
    .min(1)
    .max(20),
});
type Part = z.infer<typeof Batch>['requests'][number];

/** The answers come in another order than the requests, as Graph promises none. */
export async function answerBatch(request: ApiRequest, ask: Ask): Promise<Plain> {
  const parsed = Batch.safeParse(jsonOrNull(request.body));
  if (!parsed.success) {
    const detail = 'Invalid batch payload format: 1 to 20 requests, each with id, method and url.';
    return refuse({ because: 'bad-request', detail });
  }
  const { requests } = parsed.data;
  const ids = new Set(requests.map(({ id }) => id.toLowerCase()));
  if (ids.size < requests.length) {
    return refuse({ because: 'bad-request', detail: 'Request Id values need to be unique in a batch.' });
  }
  const responses: unknown[] = [];
  for (const part of requests.toReversed()) responses.push(await answerOf(request, part, ask));
  return json(200, { responses });
}

function jsonOrNull(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

async function answerOf(outer: ApiRequest, { id, method, url, headers, body }: Part, ask: Ask) {
  const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const answer = await ask({
    method,
    url: new URL(`/v1.0${url}`, outer.url.origin),
    headers: { ...own, authorization: outer.headers.authorization },
    body: body === undefined ? '' : JSON.stringify(body),
  });
  const shown = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
  return { id, status: answer.status, headers: Object.fromEntries(shown), body: contentOf(answer) };
}

/** JSON as it is; anything else as text. */
function contentOf({ body }: Plain): unknown {
  const text = body.toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
