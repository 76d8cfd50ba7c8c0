/** How bytes reach a provider (trust, proxy, pool), and what the errors on that way mean for the person who has to mend them. */
import { X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Agent, type Dispatcher, Pool, ProxyAgent } from 'undici';
import { ConnectorError, type FailureKind, type Network } from './contract.ts';

/** HOST and LIMIT in `happened` stand for what only the session knows. `code` carries nothing of what was sent or received. */
export type Fault = {
  readonly kind: FailureKind;
  readonly happened: string;
  readonly remedy: string;
  readonly code: string;
  readonly retry: boolean;
  /** No connection came about. */
  readonly unreachable: boolean;
};

/** One try took longer than the session allows. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}

/**
 * A pool of kept-alive connections for one Rollcall connection. Opens none yet. `connectMs`: how long each part of the way may take to
 * come about; behind a proxy these are the proxy itself, its answer, and the host.
 */
export function dispatcherFor(network: Network, connectMs = 10_000): Dispatcher {
  const connect = { secureContext: trusting(network.ca), timeout: connectMs };
  const pool = { connections: 8, pipelining: 1, keepAliveTimeout: 15_000 };
  if (network.proxy === null) return new Agent({ ...pool, connect });
  const { uri, token } = proxyOf(network.proxy);
  // What goes through here is CONNECT alone: undici would wait five minutes for the answer to one.
  const clientFactory = (origin: URL, options: object) =>
    new Pool(origin, { ...options, headersTimeout: connectMs });
  return new ProxyAgent({ ...pool, uri, ...token, requestTls: connect, proxyTls: connect, clientFactory });
}

const CONTEXTS_AT_MOST = 50;
const contexts = new Map<string | null, tls.SecureContext>();

/**
 * One context for all who trust the same: with every authority in it, each takes about a megabyte that the garbage collector does not see,
 * and milliseconds to make. `own`: PEM; null: none besides those of this machine.
 */
export function trusting(own: string | null): tls.SecureContext {
  const context = contexts.get(own) ?? tls.createSecureContext({ ca: trusted(own), minVersion: 'TLSv1.2' });
  contexts.delete(own);
  contexts.set(own, context); // whoever was used last is the last to go
  const [oldest = null] = contexts.keys();
  if (contexts.size > CONTEXTS_AT_MOST) contexts.delete(oldest);
  return context;
}

/** The operating system's authorities as well as Node's own: an inspecting proxy's CA is usually installed there. */
function trusted(own: string | null): string[] {
  const all = new Set([...tls.getCACertificates('default'), ...tls.getCACertificates('system')]);
  if (own !== null) for (const certificate of certificatesIn(own)) all.add(certificate);
  return [...all];
}

function certificatesIn(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block).toString());
  } catch {
    // The reason that OpenSSL gives helps nobody; the remedy below does.
  }
  throw new ConnectorError({
    kind: 'misconfigured',
    message: "The connection's CA (network.ca) holds no readable PEM certificate.",
    remedy: 'Give the CA as PEM text, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.',
  });
}

/** Credentials leave the URL, so that nothing that prints the URL prints them. */
function proxyOf(proxy: string): { uri: string; token: { token?: string } } {
  const url = new URL(proxy);
  if (url.username === '') return { uri: url.origin, token: {} };
  const pair = `${unescaped(url.username)}:${unescaped(url.password)}`;
  return { uri: url.origin, token: { token: `Basic ${Buffer.from(pair).toString('base64')}` } };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const MAX_BODY_BYTES = 64 * 2 ** 20;
const unzip = promisify(gunzip);

/** Reads the whole body, never more than 64 MB of it, and undoes its content encoding; the headers that spoke of it go. */
export async function readAnswer(host: string, answer: Dispatcher.ResponseData) {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw tooLarge(host);
    chunks.push(chunk);
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) {
    for (const line of typeof value === 'string' ? [value] : (value ?? [])) headers.append(name, line);
  }
  const body = await decoded(host, Buffer.concat(chunks, bytes), headers.get('content-encoding'));
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name);
  return { headers, body, bytes };
}

async function decoded(host: string, body: Buffer, encoding: string | null): Promise<Buffer> {
  if (encoding === null || encoding === 'identity' || body.length === 0) return body;
  try {
    if (encoding === 'gzip') return await unzip(body, { maxOutputLength: MAX_BODY_BYTES });
  } catch (error) {
    if (readError(error).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(host);
  }
  throw new ConnectorError({
    kind: 'unexpected-response',
    message: `${host} sent an answer whose content encoding cannot be undone.`,
    remedy: 'Look for a proxy that alters answers on the way; if there is none, report this as a defect.',
  });
}

function tooLarge(host: string): ConnectorError {
  return new ConnectorError({
    kind: 'unexpected-response',
    message: `${host} sent an answer of more than ${MAX_BODY_BYTES / 2 ** 20} MB.`,
    remedy: "Check that the base URL is the provider's API; if it is, report this as a defect.",
  });
}

const UNTRUSTED: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'is signed by an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'is signed by an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'is signed by an authority that is not trusted here',
  SELF_SIGNED_CERT_IN_CHAIN: 'is signed by an authority that is not trusted here',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is signed by itself',
  CERT_UNTRUSTED: 'is not trusted here',
  CERT_SIGNATURE_FAILURE: 'has a wrong signature',
  CERT_REVOKED: 'was revoked',
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is made out to another name',
  UND_ERR_PRX_TLS: "is the proxy's and made out to another name",
};

const trustRemedy =
  "Give the certificate of the authority that signed it as the connection's CA (network.ca): behind a proxy that inspects TLS it is that proxy's. An expired or wrongly named certificate has to be renewed by whoever runs the host; check this machine's clock too.";
const networkRemedy =
  "Rollcall tries again with the next run. If it stays, check the base URL, this machine's DNS, firewall and proxy settings (network.proxy).";
const proxyRemedy =
  'Check network.proxy: address, user name and password, and that the proxy lets Rollcall reach this host on port 443.';

type Known = Omit<Fault, 'code'>;

const noWayTo = (happened: string): Known => ({
  kind: 'unavailable',
  happened,
  remedy: networkRemedy,
  retry: true,
  unreachable: true,
});
const interrupted = (happened: string): Known => ({ ...noWayTo(happened), unreachable: false });
const notTls: Known = {
  kind: 'misconfigured',
  happened: 'HOST does not speak TLS',
  remedy: 'Rollcall speaks https only. Check host and port of the base URL (network.baseUrl).',
  retry: false,
  unreachable: false,
};

const KNOWN: Readonly<Record<string, Known>> = {
  ENOTFOUND: noWayTo('The name HOST is not known to DNS'),
  EAI_AGAIN: noWayTo('DNS gave no answer for HOST'),
  ECONNREFUSED: noWayTo('HOST refused the connection'),
  EHOSTUNREACH: noWayTo('HOST cannot be reached'),
  ENETUNREACH: noWayTo('HOST cannot be reached'),
  ETIMEDOUT: noWayTo('HOST took no connection in time'),
  UND_ERR_CONNECT_TIMEOUT: noWayTo('HOST took no connection in time'),
  UND_ERR_HEADERS_TIMEOUT: noWayTo('HOST gave no way through in time'), // of a proxy's answer to CONNECT: no other is timed by undici
  ECONNRESET: interrupted('HOST closed the connection before the answer was complete'),
  EPIPE: interrupted('HOST closed the connection before the answer was complete'),
  UND_ERR_SOCKET: interrupted('HOST closed the connection before the answer was complete'),
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: interrupted('HOST sent less than it had announced'),
  ERR_SSL_WRONG_VERSION_NUMBER: notTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: notTls,
};

/** What an error of undici, Node's net or tls means. Its own text is dropped: an HTTP parser's error quotes the answer. */
export function faultOf(error: unknown): Fault {
  if (error instanceof TimedOut) {
    return { ...interrupted('HOST did not answer completely within LIMIT'), code: 'TIMED_OUT' };
  }
  const { code, message } = readError(error);
  const untrusted = UNTRUSTED[code];
  if (untrusted !== undefined) {
    const happened = `The certificate that HOST shows ${untrusted}`;
    return {
      kind: 'untrusted-certificate',
      happened,
      remedy: trustRemedy,
      code,
      retry: false,
      unreachable: true,
    };
  }
  const refused = /^Proxy response \((\d{3})\)/.exec(message)?.[1];
  if (refused !== undefined) return { ...proxyRefusal(refused), code: `PROXY_${refused}` };
  const known = KNOWN[code] ?? interrupted('The exchange with HOST broke off');
  return { ...known, code };
}

/** undici wraps: the socket's own error, and with several addresses each one's, are inside. */
function readError(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: 'UNKNOWN', message: '' };
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (KNOWN[code] === undefined && UNTRUSTED[code] === undefined && inner instanceof Error)
    return readError(inner);
  return { code: code === '' ? error.name : code, message: error.message };
}

function proxyRefusal(status: string): Known {
  const happened =
    status === '407'
      ? 'The proxy wants a user name and password, or refused the given ones, on the way to HOST'
      : `The proxy refused the way to HOST with status ${status}`;
  const temporary = status.startsWith('5');
  const kind = temporary ? 'unavailable' : 'misconfigured';
  return { kind, happened, remedy: proxyRemedy, retry: temporary, unreachable: false };
}
