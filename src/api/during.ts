/** Requests that name a support access: the caller they are made by, and what they leave in the audit log of its tenant. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Caller } from '../domain/permission.ts';
import { ended, enterSupport, recordAct, recordAnswer } from '../tenancy/supportUse.ts';
import type { ApiDeps } from './deps.ts';
import { namesInPath, type Route } from './route.ts';

export const SUPPORT_HEADER = 'rollcall-support-access';

/** Throws what entering the support access throws that the request names. */
export async function callerOf(deps: ApiDeps, caller: Caller, { headers }: FastifyRequest): Promise<Caller> {
  const named = headers[SUPPORT_HEADER];
  return named === undefined ? caller : await enterSupport(deps, caller, String(named));
}

/**
 * Before the request is carried out. Gives what ends it when the time of its access is up; null: nothing of the kind. Throws
 * `support-access-ended`.
 */
export async function noteAct(
  deps: ApiDeps,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  input: Readonly<Record<string, unknown>>,
): Promise<AbortSignal | null> {
  const { caller, id } = request;
  if (caller?.actor.kind !== 'support') return null;
  const act = { operation: route.operation, request: id, ids: idsIn(route, input) };
  const left = await recordAct(deps, caller, act);
  request.isNoted = true;
  const up = new AbortController();
  const timer = setTimeout(() => up.abort(ended()), left);
  reply.raw.once('close', () => clearTimeout(timer));
  return up.signal;
}

/** After it, whatever came of it. That it was tried stands there already, so a failure here takes no answer away. */
export async function noteAnswer(deps: ApiDeps, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { caller, id, isNoted } = request;
  if (caller === null || !isNoted) return;
  try {
    await recordAnswer(deps, caller, { request: id, status: reply.statusCode });
  } catch (error) {
    deps.log.error({
      event: 'support.answer-unrecorded',
      supportAccess: caller.actor.id,
      request: id,
      error,
    });
  }
}

/** null: the caller is themselves. */
export function accessOf(caller: Caller | null): string | null {
  return caller?.actor.kind === 'support' ? caller.actor.id : null;
}

/** What of the input is an id, by names that the route itself knows: everything else may be personal data. */
function idsIn({ path, input }: Route, given: Readonly<Record<string, unknown>>): Record<string, string> {
  const names = [...namesInPath(path), ...(input instanceof z.ZodObject ? Object.keys(input.shape) : [])];
  const found = names.map((name) => [name, Object.hasOwn(given, name) ? given[name] : null] as const);
  return Object.fromEntries(
    found.flatMap(([name, value]) => {
      const id = z.uuid().safeParse(value);
      return id.success ? [[name, id.data]] : [];
    }),
  );
}
