import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Problem } from '../src/domain/problem.ts';
import { type LogLevel, openLogger } from '../src/log.ts';

const USER = '019a0d1e-7f53-7c07-9d2c-4b1c6d5e0a11';

/** Everything that is here is a secret or says something about a person. */
const secrets = {
  authorization: 'Bearer rc_c2VjcmV0LW9mLWFuLWFwaS1rZXk',
  password: 'correct horse',
  clientSecret: 'p8e7Q~aaaabbbbccccddddeeeeffff',
  token: '00abcdefghijklmnop',
  apiKey: 'rc_another',
  email: 'ada@example.com',
  userName: 'ada.lovelace',
  displayName: 'Ada Lovelace',
  phone: 4_420_555,
  jobTitle: 'Countess',
};

function logged(level: LogLevel, write: (log: ReturnType<typeof openLogger>) => void) {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  write(openLogger(level, destination));
  return { text: lines.join(''), lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

function expectNoSecret(text: string) {
  for (const value of Object.values(secrets)) expect(text).not.toContain(String(value));
}

describe('the log', () => {
  it('writes events with ids, states and counts', () => {
    const { lines } = logged('info', (log) =>
      log.info({ event: 'pull.finished', run: USER, users: 12, snapshot: 'complete', counts: { new: 3 } }),
    );
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'info',
        event: 'pull.finished',
        run: USER,
        users: 12,
        snapshot: 'complete',
        counts: { new: 3 },
      }),
    ]);
    expect(lines[0]).not.toHaveProperty('dropped');
  });

  it('leaves out secrets and personal data, also nested and in lists, and says which fields it left out', () => {
    const { text, lines } = logged('info', (log) =>
      log.info({
        event: 'user.edited',
        user: USER,
        ...secrets,
        body: secrets,
        headers: { nested: secrets },
        rows: [secrets, [secrets]],
        reason: 'because Ada Lovelace asked',
        route: '/v1/users?search=ada@example.com',
      }),
    );
    expectNoSecret(text);
    expect(text).not.toContain('because');
    expect(lines[0]).toMatchObject({ event: 'user.edited', user: USER });
    expect(lines[0]?.['dropped']).toEqual(
      expect.arrayContaining(['authorization', 'password', 'email', 'jobTitle', 'reason', 'route']),
    );
  });

  it('leaves them out of child loggers, and of what passes for the name of an event', () => {
    const { text, lines } = logged('info', (log) => {
      log
        .child({ tenant: USER, ...secrets })
        .child({ run: USER })
        .info({ event: 'from.child' });
      log.info({ event: `signed in: ${secrets.displayName}` });
    });
    expectNoSecret(text);
    expect(lines).toEqual([
      expect.objectContaining({ event: 'from.child', tenant: USER, run: USER }),
      expect.objectContaining({ dropped: ['event'] }),
    ]);
  });
});

describe('an error in the log', () => {
  it('describes an error by its class, code, cause and frames, without the values in its message', () => {
    const cause = Object.assign(new Error('duplicate key (email)=(ada@example.com) already exists'), {
      code: '23505',
      detail: secrets.email,
    });
    const error = new TypeError(
      `Invalid call\n  data: { email: "${secrets.email}" }\n\nno user "Ada Lovelace"`,
      {
        cause,
      },
    );
    const { text, lines } = logged('info', (log) => log.error({ event: 'request.failed', error }));
    expectNoSecret(text);
    expect(lines[0]).toMatchObject({
      error: {
        type: 'TypeError',
        message: 'no user [value]',
        stack: expect.stringContaining('log.test.ts'),
        cause: { type: 'Error', code: '23505', message: 'duplicate key [value] already exists' },
      },
    });
  });

  it('keeps the plain sentence and the code of a problem', () => {
    const error = new Problem({
      code: 'database-unreachable',
      message: 'The database at db:5432/rollcall cannot be reached: connection refused.',
      remedy: 'Start it.',
    });
    const { lines } = logged('info', (log) => log.error({ event: 'start.failed', error }));
    expect(lines[0]).toMatchObject({
      error: { type: 'Problem', code: 'database-unreachable', message: error.message },
    });
  });

  it('never writes an address, wherever it stands in what is logged', () => {
    const address = 'grace.hopper@navy.example';
    fc.assert(
      fc.property(fc.object({ values: [fc.constant(address), fc.integer(), fc.boolean()] }), (anything) => {
        const { text } = logged('info', (log) => log.info({ event: 'anything', ...anything }));
        expect(text).not.toContain(address);
      }),
      { numRuns: 200 },
    );
  });

  it('writes nothing below its level', () => {
    expect(logged('warn', (log) => log.info({ event: 'quiet' })).lines).toEqual([]);
    expect(logged('silent', (log) => log.error({ event: 'quiet' })).lines).toEqual([]);
  });
});
