import { expect, it } from 'vitest';
import { aChat } from '../notifications/receivers.ts';
import { aCommandLine } from './commandLine.ts';

const { run, ok, json, file, env } = aCommandLine('external');

it('A channel is added, tried, listed and removed; its webhook is shown nowhere', {
  timeout: 240_000,
}, async () => {
  const chat = await aChat();
  const url = file('webhook.txt', `${chat.url}\n`);
  const channels = (...args: string[]) => ['notifications', 'channels', ...args];
  const add = channels(
    'add',
    'Harbor IT',
    '--type',
    'slack',
    '--url-file',
    url,
    '--ca',
    file('ca.pem', chat.ca),
  );
  const added = await ok(
    ...add,
    '--digest',
    'pending-approvals',
    '--schedule',
    '0 8 * * 1-5',
    '--time-zone',
    'Europe/Rome',
  );
  const id = /\(([0-9a-f-]{36})\)/.exec(added.stdout)?.[1] ?? '';
  expect(added.stderr).toContain(`notifications channels test ${id}`);

  expect(await run(...channels('test', 'Harbor IT'))).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('ROLLCALL_NOTIFY_NETWORKS'),
  });
  env['ROLLCALL_NOTIFY_NETWORKS'] = '127.0.0.1';
  expect(await json(...channels('test', 'Harbor IT'))).toEqual({ id, ok: true, problem: null });
  expect(chat.posted.map(({ body }) => body.text)).toEqual(['Test of the channel Harbor IT']);

  const listed = await ok(...channels());
  expect(listed.stdout).toMatch(
    /Harbor IT .* slack \(127.0.0.1:\d+\) .* pending-approvals \(0 8 \* \* 1-5\) .* nothing yet/,
  );
  const { items } = await json(...channels());
  expect(items).toMatchObject([
    { id, inDigest: ['pending-approvals'], immediately: [], digestAt: expect.any(String) },
  ]);
  expect(JSON.stringify(items) + listed.stdout).not.toContain('secret-part');

  const update = channels('update', id, '--schedule', '', '--immediately', 'quarantine', '--name-people');
  expect(await json(...update)).toMatchObject({
    immediately: ['quarantine'],
    schedule: null,
    namesPeople: true,
  });
  expect(await json('notifications')).toEqual({ items: [], next: null });
  expect(await run(...channels('add', 'Mail', '--type', 'email', '--url-file', url))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--url-file says nothing of a channel of type email'),
  });
  expect(await json(...channels('remove', id))).toEqual({ id, removed: true });
});

it('What is wrong with a channel is told of the option that it was given with', async () => {
  const add = ['notifications', 'channels', 'add', 'Wrong', '--type'];
  const mail = await run(...add, 'email', '--to', 'ada@harbor.example', 'nobody', '--json');
  expect(JSON.parse(mail.stdout).error).toMatchObject({
    message: 'The input is not usable: --to (value 2): is not an e-mail address.',
    remedy: 'Correct --to (value 2) and try again; nothing was changed.',
    fields: [{ path: '--to (value 2)' }],
  });
  const chat = await run(...add, 'slack', '--url-file', file('plain.txt', 'http://hooks.example/x'));
  expect(chat.stderr).toContain('remedy: Correct --url-file and try again');
});
