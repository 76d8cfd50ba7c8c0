import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { aCommandLine } from './commandLine.ts';

const { ok, run, json, file } = aCommandLine('external');
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator('okta', { users: 3, seed: 6 });
  await ok('tenants', 'add', 'Harbor');
  await ok(
    ...['connections', 'add', 'Harbor HR', '--tenant', 'Harbor', '--provider', 'okta'],
    ...['--url', simulator.origin, '--ca', file('ca.pem', simulator.ca)],
    ...['--credentials-file', file('credentials.json', JSON.stringify(simulator.credentials))],
  );
  await ok('sync', 'Harbor HR');
}, 120_000);
afterAll(() => simulator.close());

describe('rollcall undo', { timeout: 120_000 }, () => {
  it('says what it proposes, what it leaves alone and what to do next, and is carried out like anything else', async () => {
    await ok(...['approve', '--connection', 'Harbor HR', '--all', '--revision', '1'], ...['--reason', 'new']);
    const { applies } = JSON.parse((await ok('apply', 'Harbor HR', '--json')).stdout);
    const [{ apply, applied }] = applies;
    expect(applied).toBeGreaterThan(0);
    const dry = await ok('undo', apply, '--dry-run');
    expect(dry.stdout).toMatch(`Would propose ${applied} changes: ${applied} delete.\n`);
    const did = await json('changes', '--apply', apply);
    expect(did.items).toHaveLength(applied);
    for (const { id, name } of did.items) expect(dry.stdout).toMatch(new RegExp(`${id} +${name} +delete`));
    expect((await json('undo', apply, '--dry-run')).takenBack[0]).toMatchObject({ kind: 'delete' });
    expect((await run('undo', apply)).code).toBe(2);
    const undone = await ok('undo', apply, '--reason', 'Read the wrong list');
    expect(undone.stdout).toMatch(`Proposed ${applied} changes: ${applied} delete.\n`);
    const next = /(approve --connection .*) --reason TEXT/.exec(undone.stderr)?.[1]?.split(' ') ?? [];
    const { items } = await json('changes', '--cause', 'undo');
    expect(items[0]).toMatchObject({ undoes: expect.any(String), undoReason: 'Read the wrong list' });
    const shown = (await ok('show', items[0].id)).stdout;
    expect(shown).toContain(`undoes      ${items[0].undoes}: Read the wrong list\n`);
    const explained = (await ok('explain', items[0].authUser)).stdout;
    expect(explained).toMatch(/takes back what was .*: Read the wrong list/);
    expect(explained).toMatch(
      new RegExp(
        `^${items[0].name} <.*>: active, in Harbor\\.\n  waits: delete, \\w+, change ${items[0].id}\n`,
      ),
    );
    const again = await run('undo', apply, '--reason', 'again', '--json');
    expect(again.code).toBe(3);
    expect(JSON.parse(again.stdout)).toMatchObject({ proposed: 0, left: applied });
    await ok(...next, '--include-held', '--reason', 'a mistake');
    await ok('apply', 'Harbor HR');
    const users = await json('users', 'list', '--tenant', 'Harbor', '--all');
    expect(new Set(users.items.map(({ state }: { state: string }) => state))).toEqual(new Set(['deleted']));
  });
});
