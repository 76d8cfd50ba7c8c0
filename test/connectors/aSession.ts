/** Sessions with hosts that answer as told, and what a test may ask of their failures. */
import { inspect } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import { ConnectorError, type ConnectorFailure } from '../../connectors/contract.ts';
import { openSession, type SessionOptions, type SessionRequest } from '../../connectors/session.ts';
import { aHost, type Host } from './httpsHost.ts';

export const never = new AbortController().signal;
/** Is in every body, header and password, and must be in no failure. */
export const SECRET = 'hunter2-hunter2';

/** A clock that only sleeping and `pass` move, and the sleeps. */
export function aClock(now = Date.UTC(2026, 0, 1)) {
  const slept: number[] = [];
  const pass = (ms: number) => {
    now += ms;
  };
  const sleep = async (ms: number) => {
    slept.push(ms);
    pass(ms);
  };
  return { slept, clock: () => now, sleep, pass };
}

export function opened(host: Host, options: Partial<SessionOptions> = {}) {
  const session = openSession({ origins: [host.origin], network: host.network, ...aClock(), ...options });
  onTestFinished(() => session.close());
  return {
    session,
    get: (path: string, more: Partial<SessionRequest> = {}) =>
      session.request({ method: 'GET', url: `${host.origin}${path}`, signal: never, ...more }),
  };
}

export async function failing(work: Promise<unknown>): Promise<ConnectorFailure> {
  const error = await work.then(
    () => expect.unreachable('it should have failed'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConnectorError);
  expect(inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error)).not.toContain(SECRET);
  return (error as ConnectorError).failure;
}

/** Answers with these, then with 200. */
export async function answering(
  ...answers: [status: number, headers?: Record<string, string>][]
): Promise<Host> {
  return aHost((_, response) => {
    const [status, headers] = answers.shift() ?? [200];
    response.writeHead(status, headers).end(`{"secret":"${SECRET}"}`);
  });
}
