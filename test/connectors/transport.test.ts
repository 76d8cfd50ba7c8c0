import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseJson } from '../../connectors/answer.ts';
import { openSession } from '../../connectors/session.ts';
import { dispatcherFor, faultOf, trusting } from '../../connectors/transport.ts';
import { openKeys } from '../../simulators/certificates.ts';
import { aClock, answering, failing, opened, SECRET } from './aSession.ts';
import { aHost, aProxy, aSilentProxy, listening } from './httpsHost.ts';

describe('what can go wrong on the way', () => {
  it('ends a try that hangs, before the answer or in its middle, and tries again', async () => {
    let first = true;
    const host = await aHost((_, response) => {
      if (first) response.write('[');
      first = false;
    });
    expect(await failing(opened(host, { timeoutMs: 500, maxRetries: 1 }).get('/'))).toMatchObject({
      kind: 'unavailable',
      message: `${new URL(host.origin).host} did not answer completely within 0.5 s, 2 times.`,
    });
    expect(host.asked).toHaveLength(2);
  });

  it('reads again what was cut off by the connection', async () => {
    let cut = 2;
    const host = await aHost((_, response) => {
      if (cut-- > 0) {
        response.writeHead(200, { 'content-length': '100' }).write('{');
        setTimeout(() => response.destroy(), 10);
      } else response.end('{}');
    });
    expect(parseJson(await opened(host).get('/'))).toEqual({});
    expect(host.asked).toHaveLength(3);
  });
});

describe('what cannot be reached or trusted', () => {
  it('says who has to trust what when the certificate is not trusted, and does not try again', async () => {
    const host = await answering();
    const network = { ...host.network, ca: null };
    const failure = await failing(opened(host, { network }).get('/'));
    expect(failure).toMatchObject({ kind: 'untrusted-certificate' });
    expect(failure.message).not.toContain('times');
    expect(failure.remedy).toContain('network.ca');
    expect(host.asked).toEqual([]);
  });

  it('is trusted by whoever gives its CA and by nobody else, though all who trust the same share what that takes', async () => {
    const host = await answering();
    const { ca } = host.network;
    await opened(host).get('/');
    const context = trusting(ca);
    expect(trusting(ca)).toBe(context);
    expect(trusting(null)).not.toBe(context);
    await failing(opened(host, { network: { ...host.network, ca: null } }).get('/'));
    expect(host.asked).toHaveLength(1);
    for (let others = 1; others <= 50; others++) trusting(`${ca}${'\n'.repeat(others)}`);
    expect(trusting(ca)).not.toBe(context); // so much is kept, and no more
    await opened(host).get('/');
  });

  it('says that a host does not speak TLS', async () => {
    const server = createHttpServer((_, response) => response.end());
    const origin = `https://127.0.0.1:${await listening(server)}`;
    onTestFinished(() => void server.close());
    const network = { baseUrl: null, ca: null, proxy: null };
    expect(await failing(opened({ origin, network, asked: [] }).get('/'))).toMatchObject({
      kind: 'misconfigured',
    });
  });

  it('tries a host that nothing listens at once more, no longer', async () => {
    const clock = aClock();
    const dead = {
      origin: 'https://127.0.0.1:1',
      network: { baseUrl: null, ca: null, proxy: null },
      asked: [],
    };
    expect(await failing(opened(dead, clock).get('/'))).toMatchObject({
      kind: 'unavailable',
      message: '127.0.0.1:1 refused the connection, 2 times.',
    });
    expect(clock.slept).toHaveLength(1);
  });

  it('says nothing of an answer that is no HTTP', async () => {
    const { ca, serverCertificate, serverKey } = await openKeys(null);
    const server = createTlsServer({ cert: serverCertificate, key: serverKey }, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nbroken header ${SECRET}\r\n\r\n`));
    });
    const origin = `https://127.0.0.1:${await listening(server)}`;
    onTestFinished(() => void server.close());
    const network = { baseUrl: null, ca, proxy: null };
    expect(await failing(opened({ origin, network, asked: [] }, { maxRetries: 0 }).get('/'))).toMatchObject({
      kind: 'unavailable',
    });
  });

  it('refuses a CA that is none before anything is sent', async () => {
    const host = await answering();
    const network = {
      ...host.network,
      ca: '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----',
    };
    const error = await failing(Promise.resolve().then(() => openSession({ origins: [], network })));
    expect(error).toMatchObject({ kind: 'misconfigured' });
  });

  it('ends what is under way when it is closed, and sends nothing afterwards', async () => {
    const host = await aHost(() => {});
    const { session, get } = opened(host);
    const hanging = failing(get('/'));
    await expect.poll(() => host.asked).toHaveLength(1);
    await session.close();
    expect(await hanging).toMatchObject({ kind: 'unavailable' });
    await failing(get('/'));
    expect(host.asked).toHaveLength(1);
  });
});

describe('a proxy', () => {
  const basic = `Basic ${Buffer.from(`kim:${SECRET}`).toString('base64')}`;

  it('carries every request, with its user name and password', async () => {
    const host = await answering();
    const proxy = await aProxy(basic);
    const network = { ...host.network, proxy: `http://kim:${SECRET}@${proxy.url}` };
    expect((await opened(host, { network }).get('/a')).status).toBe(200);
    expect(proxy.tunnels).toEqual([new URL(host.origin).host]);
  });

  it('is named when it wants another password, and the password is not', async () => {
    const host = await answering();
    const proxy = await aProxy('Basic other');
    const network = { ...host.network, proxy: `http://kim:${SECRET}@${proxy.url}` };
    expect(await failing(opened(host, { network }).get('/a'))).toMatchObject({
      kind: 'misconfigured',
      message: expect.stringContaining('proxy wants a user name and password'),
    });
    expect(host.asked).toEqual([]);
  });

  it.each([
    [403, 'misconfigured'],
    [502, 'unavailable'],
  ] as const)('that answers %i ends as %s', async (status, kind) => {
    const host = await answering();
    const network = { ...host.network, proxy: `http://${(await aProxy(null, status)).url}` };
    expect(await failing(opened(host, { network, maxRetries: 1 }).get('/'))).toMatchObject({ kind });
  });

  it('that accepts and never answers keeps nobody from leaving, nor from being told that the try took too long', async () => {
    const host = await answering();
    const { url: proxy, accepted } = await aSilentProxy();
    const leaving = new AbortController();
    const { get } = opened(host, { network: { ...host.network, proxy } });
    const left = get('/', { signal: leaving.signal });
    await expect.poll(accepted).toBe(1);
    leaving.abort('cancelled');
    await expect(left).rejects.toBe('cancelled');
    const hurried = opened(host, { network: { ...host.network, proxy }, timeoutMs: 50, maxRetries: 1 });
    expect(await failing(hurried.get('/'))).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('within 0.05 s, 2 times'),
    });
    expect(host.asked).toEqual([]);
  });

  it('that never answers is given up, and what waited for it may be asked again', async () => {
    const { url: proxy } = await aSilentProxy();
    const dispatcher = dispatcherFor({ baseUrl: null, ca: null, proxy }, 1_000);
    onTestFinished(() => dispatcher.destroy());
    const asked = { origin: 'https://provider.example', path: '/', method: 'GET' } as const;
    const error: unknown = await dispatcher
      .request({ ...asked, headersTimeout: 0 })
      .catch((reason) => reason);
    expect(faultOf(error)).toMatchObject({
      kind: 'unavailable',
      code: 'UND_ERR_HEADERS_TIMEOUT',
      retry: true,
      unreachable: true,
    });
  });

  it('that is down is named instead of the host behind it', async () => {
    const host = await answering();
    const network = { ...host.network, proxy: `http://kim:${SECRET}@127.0.0.1:1` };
    expect((await failing(opened(host, { network }).get('/'))).message).toBe(
      'The proxy 127.0.0.1:1 refused the connection, 2 times.',
    );
  });
});
