/** One SCIM service: how it is asked, what it says of itself, and what its refusals mean. */
import type { z } from 'zod';
import { type Access, getWith } from '../access.ts';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type ConnectorFailure, type Usage } from '../contract.ts';
import type { HttpSession } from '../session.ts';
import { ScimError, ServiceProviderConfig } from './schema.ts';

/** What is asked for, in words for messages. `start`: nothing has shown yet that the service is there at all. */
export type Asked = { readonly what: string; readonly start?: boolean };

/** What the service says that it can; null where it does not say. */
export type Hints = {
  readonly cursors: boolean;
  readonly sorts: boolean;
  readonly largestPage: number | null;
};

export type ScimService = {
  /** Any answer but a refused access token, which is replaced once. `path` begins with `/` and follows the base URL. */
  get(
    path: string,
    params: Readonly<Record<string, string | undefined>>,
    signal: AbortSignal,
  ): Promise<SessionResponse>;
  /** Asked for once; a service that does not say gives no hints. */
  hints(signal: AbortSignal): Promise<Hints>;
  usage(): Usage;
  close(): Promise<void>;
};

/** `base`: origin and path before `/Users`, as this process reaches it. */
export function scimService(base: string, session: HttpSession, access: Access): ScimService {
  let known: Hints | null = null;
  const service: ScimService = {
    async get(path, params, signal) {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(params)) if (value !== undefined) query.set(name, value);
      const url = `${base}${path}${query.size === 0 ? '' : `?${query.toString().replaceAll('+', '%20')}`}`;
      const headers = { accept: 'application/scim+json, application/json;q=0.9' };
      return getWith({ session, access, url, headers, signal });
    },
    async hints(signal) {
      known ??= await hintsOf(service, signal);
      return known;
    },
    usage: () => session.usage(),
    close: () => session.close(),
  };
  return service;
}

const NO_HINTS: Hints = { cursors: false, sorts: false, largestPage: null };

async function hintsOf(service: ScimService, signal: AbortSignal): Promise<Hints> {
  const said = await saidOf(service, '/ServiceProviderConfig', ServiceProviderConfig, signal);
  if (said === null) return NO_HINTS;
  const { filter, sort, pagination } = said;
  const largest = pagination?.maxPageSize ?? filter?.maxResults ?? 0;
  return {
    cursors: isTrue(pagination?.cursor),
    sorts: isTrue(sort?.supported),
    largestPage: largest < 2 ? null : largest,
  };
}

/**
 * What a service says of itself. One without this resource, or in trouble with it, is read all the same: null. Throws where it cannot be
 * reached at all.
 */
export async function saidOf<T>(
  service: Pick<ScimService, 'get'>,
  path: string,
  schema: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T | null> {
  try {
    const answer = await service.get(path, {}, signal);
    return answer.status === 200 ? (schema.safeParse(parseJson(answer)).data ?? null) : null;
  } catch (error) {
    if (error instanceof ConnectorError && error.failure.status !== undefined) return null;
    throw error;
  }
}

const isTrue = (value: unknown): boolean => String(value).toLowerCase() === 'true';

/**
 * The error in SCIM's own words (RFC 7644, section 3.12, where `status` is a text); null for anything else, such as a proxy's page or
 * the errors of gateways and frameworks, whose `status` is a number (RFC 9457).
 */
export function scimErrorIn(answer: SessionResponse): { readonly scimType: string | null } | null {
  try {
    const { schemas, status, scimType } = ScimError.parse(parseJson(answer));
    const named = schemas?.some((schema) => /:Error$/i.test(schema)) === true;
    if (!named && status !== String(answer.status)) return null;
    return { scimType: scimType !== undefined && /^\w{1,40}$/.test(scimType) ? scimType : null };
  } catch {
    return null;
  }
}

/** The HTTP status decides; `scimType` refines. */
export function refusal(answer: SessionResponse, { what, start = false }: Asked): ConnectorFailure {
  const { status } = answer;
  const scimType = scimErrorIn(answer)?.scimType ?? null;
  const asked = `${what} (status ${status}${scimType === null ? '' : `, ${scimType}`})`;
  const { host } = new URL(answer.url);
  if (status === 401) {
    return failureOf(answer, { message: `${host} does not accept the credential for ${asked}.` });
  }
  if (status === 403) {
    return failureOf(answer, {
      message: `${host} does not show this credential ${asked}.`,
      remedy:
        'Have the administrator of the SCIM service let this client read all users and all groups, with their members.',
    });
  }
  if (status === 400 && (scimType === 'invalidCursor' || scimType === 'expiredCursor')) {
    return failureOf(answer, {
      kind: 'cursor-expired',
      message: `${host} no longer knows the place where ${asked} was to go on.`,
      remedy: 'Nobody has to act: the next run reads the list from its beginning.',
    });
  }
  if (status === 400 && (scimType === 'tooMany' || scimType === 'invalidCount')) {
    return failureOf(answer, {
      kind: 'misconfigured',
      message: `${host} does not give so many records: ${asked}.`,
      remedy:
        'Set pageSize to what the service allows. If it refuses even small pages, its administrator has to raise the limit, or allow paging by cursor.',
    });
  }
  if ((status === 404 && start) || (status >= 300 && status < 400)) {
    return failureOf(answer, {
      kind: 'misconfigured',
      message: `${host} does not serve ${asked} where settings.scimUrl says.`,
      remedy:
        'Check scimUrl: what stands before /Users, such as https://scim.example.com/v2. A redirect is not followed: enter where it leads.',
    });
  }
  return failureOf(answer, { message: `${host} refused ${asked}.` });
}

export function odd(answer: SessionResponse, message: string, remedy?: string): ConnectorError {
  return new ConnectorError(
    failureOf(answer, {
      kind: 'unexpected-response',
      message,
      remedy:
        remedy ??
        'If a proxy or gateway stands between Rollcall and the service, let it pass answers on unchanged. Otherwise report this as a defect.',
    }),
  );
}
