/** The environment, parsed once into one typed value. Every variable stands in docs/configuration.md (a test holds it). */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { MailServer } from './domain/channel.ts';
import { Problem } from './domain/problem.ts';
import { isLoopback, type SessionLimits } from './domain/signIn.ts';

const empty = (value: unknown) => (value === '' ? undefined : value);

/** Cookies that only this host may set need TLS, unless nothing leaves this machine. */
const PublicUrl = z.url({ protocol: /^https?$/ }).transform((text, context) => {
  const url = new URL(text);
  if (url.protocol === 'https:' || isLoopback(url.hostname)) {
    if (`${url.pathname}${url.search}${url.hash}${url.username}` === '/') return url.origin;
    context.addIssue({ code: 'custom', message: 'must be an address without a path' });
  } else
    context.addIssue({ code: 'custom', message: 'must begin with https:// unless it is this machine alone' });
  return z.NEVER;
});

function isNetwork(text: string): boolean {
  const [, address = '', bits = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

const Networks = z.string().transform((text, context) => {
  const given = text.split(',').map((one) => one.trim());
  if (given.every(isNetwork)) return given;
  context.addIssue({
    code: 'custom',
    message: 'must be addresses or networks, such as 10.0.0.0/8, with commas',
  });
  return z.NEVER;
});

/** As `Resolver.setServers` takes them. */
const NameServers = z.string().transform((text, context) => {
  const given = text.split(',').map((one) => one.trim());
  const isServer = (one: string) => {
    const [, bracketed, plain = '', port = '53'] =
      /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(one) ?? [];
    return isIP(bracketed ?? plain) !== 0 && Number(port) > 0 && Number(port) < 65_536;
  };
  if (given.every((one) => isServer(one) || isIP(one) === 6)) return given;
  context.addIssue({
    code: 'custom',
    message: 'must be addresses, such as 192.0.2.53 or [2001:db8::53]:5353, with commas',
  });
  return z.NEVER;
});

/** Where mail is handed in, as a URL: smtps from the first byte in TLS, smtp with STARTTLS. */
const SmtpUrl = z.url({ protocol: /^smtps?$/ }).transform((text, context) => {
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text);
  if (
    hostname !== '' &&
    (username === '') === (password === '') &&
    `${pathname}${search}${hash}`.length <= 1
  ) {
    const tls = protocol === 'smtps:' ? 'implicit' : 'starttls';
    return {
      host: hostname.replaceAll(/[[\]]/g, ''),
      port: port === '' ? (tls === 'implicit' ? 465 : 587) : Number(port),
      tls,
      user: username === '' ? null : decodeURIComponent(username),
      password: password === '' ? null : decodeURIComponent(password),
    } as const;
  }
  context.addIssue({
    code: 'custom',
    message:
      'must be smtps://user:password@host:465 or smtp://user:password@host:587, with user and password or neither',
  });
  return z.NEVER;
});

const HOUR_MS = 3_600_000;
const hours = (standard: number) =>
  z.preprocess(empty, z.coerce.number().min(0.1).max(8_760).default(standard));

const Variables = z.object({
  DATABASE_URL: z.preprocess(empty, z.url({ protocol: /^postgres(ql)?$/ }).optional()),
  REDIS_URL: z.preprocess(empty, z.url({ protocol: /^rediss?$/ }).optional()),
  ROLLCALL_DATA: z.preprocess(empty, z.string().default('.rollcall')),
  ROLLCALL_SECRET_KEY: z.preprocess(
    empty,
    z
      .string()
      .regex(/^[A-Za-z0-9+/]{43}=$/, 'must be 32 bytes in base64: make one with `openssl rand -base64 32`')
      .optional(),
  ),
  ROLLCALL_HOST: z.preprocess(empty, z.string().default('127.0.0.1')),
  ROLLCALL_PORT: z.preprocess(empty, z.coerce.number().int().min(0).max(65535).default(7655)),
  ROLLCALL_PUBLIC_URL: z.preprocess(empty, PublicUrl.optional()),
  ROLLCALL_TRUSTED_PROXIES: z.preprocess(empty, Networks.optional()),
  ROLLCALL_DNS_SERVERS: z.preprocess(empty, NameServers.optional()),
  ROLLCALL_SMTP_URL: z.preprocess(empty, SmtpUrl.optional()),
  ROLLCALL_SMTP_FROM: z.preprocess(empty, z.email().optional()),
  ROLLCALL_NOTIFY_NETWORKS: z.preprocess(empty, Networks.default([])),
  ROLLCALL_SETUP_TOKEN: z.preprocess(
    empty,
    z
      .string()
      .min(32, 'needs at least 32 characters: make one with `openssl rand -hex 24`')
      .max(200)
      .optional(),
  ),
  ROLLCALL_SESSION_IDLE_HOURS: hours(12),
  ROLLCALL_SESSION_HOURS: hours(168),
  ROLLCALL_LOG_LEVEL: z.preprocess(
    empty,
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  ),
  ROLLCALL_FILE_ROOT: z.preprocess(empty, z.string().optional()),
  ROLLCALL_ENTRA_IDENTITY_KEY: z.preprocess(
    empty,
    z.string().min(20, 'needs at least 20 characters').optional(),
  ),
  AZURE_FEDERATED_TOKEN_FILE: z.preprocess(empty, z.string().optional()),
  IDENTITY_ENDPOINT: z.preprocess(empty, z.url({ protocol: /^https?$/ }).optional()),
  IDENTITY_HEADER: z.preprocess(empty, z.string().optional()),
  ROLLCALL_GOOGLE_IDENTITY_KEY: z.preprocess(
    empty,
    z.string().min(20, 'needs at least 20 characters').optional(),
  ),
  ROLLCALL_GOOGLE_TOKEN_FILE: z.preprocess(empty, z.string().optional()),
  ROLLCALL_SUPPORT_HOURS: z.preprocess(empty, z.coerce.number().int().min(1).max(24).default(8)),
  ROLLCALL_RUN_HOURS: z.preprocess(empty, z.coerce.number().min(0.1).max(168).default(6)),
  ROLLCALL_FULL_HOURS: z.preprocess(empty, z.coerce.number().min(0.1).max(168).default(23)),
  ROLLCALL_CONCURRENCY: z.preprocess(empty, z.coerce.number().int().min(1).max(64).default(4)),
});

const Environment = Variables.refine(
  ({ ROLLCALL_SMTP_URL: url, ROLLCALL_SMTP_FROM: from }) => (url === undefined) === (from === undefined),
  {
    message: 'belongs together with ROLLCALL_SMTP_URL: where mail is handed in, and who sends it',
    path: ['ROLLCALL_SMTP_FROM'],
  },
);

export type Config = {
  /** null: the embedded PostgreSQL in the data folder. */
  readonly databaseUrl: string | null;
  /** null: jobs run on PostgreSQL. */
  readonly redisUrl: string | null;
  readonly dataFolder: string;
  /** 32 bytes in base64; null: kept in a file of the data folder. */
  readonly secretKey: string | null;
  readonly host: string;
  readonly port: number;
  /** Where browsers reach the API: an origin. null: where it listens, if that is this machine alone. */
  readonly publicUrl: string | null;
  /** Whose word counts about where a request comes from. */
  readonly trustedProxies: readonly string[];
  /** Asked for the records that prove domains; null: those of this machine. */
  readonly dnsServers: readonly string[] | null;
  /** Opens the set-up until there is an administrator; null: a link is made and printed. */
  readonly setUpToken: string | null;
  /** The mail server that channels without one of their own use. */
  readonly mail: { readonly server: MailServer; readonly password: string | null } | null;
  /** Private networks that notifications may go to. */
  readonly notifyNetworks: readonly string[];
  readonly sessionLimits: SessionLimits;
  readonly logLevel: z.infer<typeof Environment>['ROLLCALL_LOG_LEVEL'];
  /** Below it lie the files that connections may read; null: none may. */
  readonly fileRoot: string | null;
  /** How connections may sign in as this machine; the names are those that Azure's platforms set. */
  readonly machine: {
    readonly key: string | null;
    readonly assertionFile: string | null;
    readonly endpoint: { readonly url: string; readonly header: string } | null;
  };
  /** Likewise for connections to Google. */
  readonly googleMachine: { readonly key: string | null; readonly tokenFile: string | null };
  /** How long a support access lasts at most. */
  readonly supportHours: number;
  /** How long one run may take. */
  readonly longestRunMs: number;
  /** How long deltas follow each other before everybody is read again. */
  readonly fullEveryMs: number;
  /** How many runs one worker carries out side by side. */
  readonly concurrency: number;
};

/** All variables that mean something to Rollcall. */
export const environmentVariables = Object.keys(Variables.shape);

/** Throws `bad-configuration`, naming each variable that is wrong. Values are never repeated: they may be secrets. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const fields = parsed.error.issues.map((issue) => ({
      path: issue.path.join('.'),
      message: issue.message,
    }));
    throw new Problem({
      code: 'bad-configuration',
      message: `The environment is not usable: ${fields.map((field) => `${field.path}: ${field.message}`).join('; ')}.`,
      remedy: 'Correct or unset these variables; docs/configuration.md describes each.',
      fields,
    });
  }
  const env = parsed.data;
  return {
    databaseUrl: env.DATABASE_URL ?? null,
    redisUrl: env.REDIS_URL ?? null,
    dataFolder: resolve(env.ROLLCALL_DATA),
    secretKey: env.ROLLCALL_SECRET_KEY ?? null,
    host: env.ROLLCALL_HOST,
    port: env.ROLLCALL_PORT,
    publicUrl: env.ROLLCALL_PUBLIC_URL ?? null,
    trustedProxies: env.ROLLCALL_TRUSTED_PROXIES ?? [],
    dnsServers: env.ROLLCALL_DNS_SERVERS ?? null,
    setUpToken: env.ROLLCALL_SETUP_TOKEN ?? null,
    mail: mailFrom(env),
    notifyNetworks: env.ROLLCALL_NOTIFY_NETWORKS,
    sessionLimits: {
      idleMs: env.ROLLCALL_SESSION_IDLE_HOURS * HOUR_MS,
      longestMs: env.ROLLCALL_SESSION_HOURS * HOUR_MS,
    },
    logLevel: env.ROLLCALL_LOG_LEVEL,
    fileRoot: env.ROLLCALL_FILE_ROOT === undefined ? null : resolve(env.ROLLCALL_FILE_ROOT),
    machine: {
      key: env.ROLLCALL_ENTRA_IDENTITY_KEY ?? null,
      assertionFile: env.AZURE_FEDERATED_TOKEN_FILE ?? null,
      endpoint:
        env.IDENTITY_ENDPOINT === undefined || env.IDENTITY_HEADER === undefined
          ? null
          : { url: env.IDENTITY_ENDPOINT, header: env.IDENTITY_HEADER },
    },
    googleMachine: {
      key: env.ROLLCALL_GOOGLE_IDENTITY_KEY ?? null,
      tokenFile: env.ROLLCALL_GOOGLE_TOKEN_FILE ?? null,
    },
    supportHours: env.ROLLCALL_SUPPORT_HOURS,
    longestRunMs: env.ROLLCALL_RUN_HOURS * HOUR_MS,
    fullEveryMs: env.ROLLCALL_FULL_HOURS * HOUR_MS,
    concurrency: env.ROLLCALL_CONCURRENCY,
  };
}

function mailFrom({
  ROLLCALL_SMTP_URL: url,
  ROLLCALL_SMTP_FROM: from,
}: z.infer<typeof Environment>): Config['mail'] {
  if (url === undefined || from === undefined) return null;
  const { password, ...server } = url;
  return { server: { ...server, from, ca: null }, password };
}
