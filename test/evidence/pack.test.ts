import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { TokenKeys } from '../../src/authorization/tokenKeys.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { checkEvidence } from '../../src/evidence/check.ts';
import { exportEvidence, type MadePack } from '../../src/evidence/pack.ts';
import { removeLeftovers, sendEvidence } from '../../src/evidence/stream.ts';
import { listAudit, verifyAudit } from '../../src/review/audit.ts';
import { decide } from '../../src/review/decide.ts';
import { costOf } from '../support/cost.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';
import { untilWaiting } from '../support/waiting.ts';

let install: Install;
let acme: Connected;
let neighbour: Connected;
let made: MadePack;
const top = mkdtempSync(join(tmpdir(), 'rollcall-evidence-test-'));
const pack = join(top, 'pack');
/** The period ends before what comes last. */
let end: string;

const never = new AbortController().signal;
const untilNow = () => install.clock.advance(Date.now() - install.clock.now().getTime());

function exported(caller: Caller, folder: string, more: object = {}): Promise<MadePack> {
  const deps = { ...install, store: install.store, tokenKeys: new TokenKeys(install) };
  const input = { from: '2026-01-01T00:00:00Z', to: end, ...more };
  return exportEvidence(deps, caller, input, { folder, signal: never });
}

beforeAll(async () => {
  install = await Install.open();
  untilNow();
  const directory = aDirectory({
    users: 4,
    groups: [{ id: 'g1', name: 'Engineers', members: ['u1', 'u2'] }],
  });
  directory.edit('u1', { displayName: '=HYPERLINK("https://evil.example")' });
  directory.edit('u2', { displayName: 'Two\nlines, "quoted"' });
  const mapping = { everyone: ['member'], roles: [{ group: 'g1', role: 'engineer' }] };
  acme = await install.connect({ directory, mapping, guards: noGuards });
  neighbour = await install.connect({ directory: aDirectory({ users: 2 }), guards: noGuards });
  await acme.sync();
  const { id, fingerprint } = await acme.changeOf('u1');
  const held = {
    verdict: 'hold',
    reason: 'Asked HR:\n"who?"',
    changes: [{ id, fingerprint, decision: null }],
  } as const;
  await decide(install, acme.administrator, held);
  await acme.approve('u1', 'u2', 'u3', 'u4');
  await acme.apply();
  await neighbour.syncAndApply();
  await acme.grant('u3', 'guest');
  install.clock.advance(60_000);
  end = install.clock.now().toISOString();
  install.clock.advance(60_000);
  directory.group('g1', ['u2'], 'Engineers');
  directory.remove('u4');
  await acme.syncAndApply();
  await acme.grant('u2', 'guest');
  made = await exported(acme.administrator, pack);
}, 60_000);
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(async () => {
  rmSync(top, { recursive: true });
  await install.close();
});

const lines = (name: string) =>
  readFileSync(join(pack, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('An evidence pack', () => {
  it('has the audit log, changes, decisions, applies, users and roles of the period, and of the tenant alone', async () => {
    expect(readdirSync(pack).sort()).toEqual([
      ...[
        'applies.csv',
        'applies.jsonl',
        'audit.csv',
        'audit.jsonl',
        'changes.csv',
        'changes.jsonl',
        'decisions.csv',
      ],
      ...['manifest.json', 'roles.csv', 'signature.json', 'users.csv', 'users.jsonl'],
    ]);
    const { items } = await listAudit(install, acme.administrator, { limit: 500, order: 'oldest' });
    const within = items.filter(({ at }) => at < end).map((entry) => ({ ...entry, tenant: acme.tenant }));
    expect(lines('audit.jsonl')).toEqual(within);
    expect(lines('changes.jsonl').filter(({ kind }) => kind === 'create')).toHaveLength(4);
    expect(lines('changes.jsonl')[0]).toMatchObject({
      tenant: acme.tenant,
      state: 'applied',
      decisions: [
        { verdict: 'hold', reason: 'Asked HR:\n"who?"' },
        { verdict: 'approve', by: acme.administrator.actor.name, reason: 'test' },
      ],
    });
    expect(lines('applies.jsonl')).toMatchObject([{ connection: acme.connection, total: 4 }]);
    expect(
      JSON.stringify(readdirSync(pack).map((name) => readFileSync(join(pack, name), 'utf8'))),
    ).not.toContain(neighbour.tenant);
  });

  it('shows state and roles as they were at the end of the period', async () => {
    const byExternalId = new Map(lines('users.jsonl').map((user) => [user.identities[0].externalId, user]));
    const rolesOf = (id: string) =>
      byExternalId
        .get(id)
        ?.roles.map(({ role }: { role: string }) => role)
        .sort();
    expect(rolesOf('u1')).toEqual(['engineer', 'member']);
    expect(rolesOf('u2')).toEqual(['engineer', 'member']);
    expect(rolesOf('u3')).toEqual(['guest', 'member']);
    expect(byExternalId.get('u4')).toMatchObject({
      state: 'active',
      roles: [{ role: 'member', grantedAt: expect.any(String) }],
    });
    expect((await acme.user('u4')).state).toBe('deleted');
    const now = join(top, 'now');
    untilNow();
    install.clock.advance(300_000);
    await exported(acme.administrator, now, { to: install.clock.now().toISOString() });
    const after = readFileSync(join(now, 'roles.csv'), 'utf8').split('\r\n');
    expect(after.filter((line) => line.startsWith('engineer,'))).toHaveLength(1);
    expect(after.filter((line) => line.startsWith('guest,'))).toHaveLength(2);
  });

  it('has no cell that a spreadsheet would evaluate', () => {
    const users = readFileSync(join(pack, 'users.csv'), 'utf8');
    expect(users).toContain(`,"'=HYPERLINK(""https://evil.example"")",`);
    expect(users).toContain('"Two lines, ""quoted"""');
    expect(users.charCodeAt(0)).toBe(0xfeff);
  });

  it('is noted in the audit log, and verified offline with the key that has signed it', async () => {
    const { items } = await listAudit(install, acme.administrator, { limit: 500, order: 'oldest' });
    expect(items.find(({ action }) => action === 'evidence.exported')).toMatchObject({
      actor: acme.administrator.actor,
      details: { id: made.id, manifest: made.manifest, thumbprint: made.thumbprint },
    });
    expect(await checkEvidence(pack, made.thumbprint)).toMatchObject({ ok: true, difference: null });
    expect(await checkEvidence(pack, 'of-another')).toMatchObject({
      ok: false,
      difference: { file: 'signature.json', because: expect.stringContaining(made.thumbprint) },
    });
  });

  type Edit = (text: string) => string;
  const eachLine =
    (edit: (all: string[]) => string[]): Edit =>
    (text) =>
      edit(text.split(/(?<=\n)/)).join('');
  it.each<[string, string, Edit | null, object]>([
    [
      'an entry that was altered',
      'audit.jsonl',
      eachLine((all) =>
        all.with(
          2,
          (all[2] ?? '').replace('"number":3', '"number":3,"x":1').replace('"action":"', '"action":"not.'),
        ),
      ),
      { line: 3, because: 'entry 3 was altered' },
    ],
    [
      'an entry that was removed',
      'audit.jsonl',
      eachLine((all) => all.toSpliced(1, 1)),
      { line: 2, because: 'entry 2 of the chain should be here, and entry 3 is' },
    ],
    [
      'entries that were exchanged',
      'audit.jsonl',
      eachLine((all) => [all[1] ?? '', all[0] ?? '', ...all.slice(2)]),
      { line: 1, because: 'entry 1 of the chain should be here, and entry 2 is' },
    ],
    [
      'an end that was cut off',
      'audit.jsonl',
      eachLine((all) => all.slice(0, -1)),
      { because: expect.stringMatching(/not what they were|cut off/) },
    ],
    [
      'a line that is no JSON',
      'audit.jsonl',
      (text) => `nothing\n${text}`,
      { line: 1, because: 'the line is no entry' },
    ],
    [
      'a user with another role',
      'roles.csv',
      (text) => text.replace('engineer', 'reader'),
      { line: 1, because: expect.stringContaining('are not what they were') },
    ],
    ['a line more', 'applies.jsonl', (text) => `${text}{}\n`, { line: 1 }],
    ['a file that is missing', 'users.csv', null, { line: null, because: 'the file is missing' }],
    [
      'another period',
      'manifest.json',
      (text) => text.replace('2026-01-01', '2025-01-01'),
      { because: 'it is not the one that was signed' },
    ],
    ['a manifest that is none', 'manifest.json', () => '{}', { because: 'it is not what an export writes' }],
    [
      'another signature',
      'signature.json',
      (text) => text.replace(/"jws": "(.)/, '"jws": "x$1'),
      { because: 'the signature is not one of this key' },
    ],
  ])('tells the first difference: %s', async (name, file, edit, difference) => {
    const copy = join(top, name.replaceAll(' ', '-'));
    await cp(pack, copy, { recursive: true });
    if (edit === null) rmSync(join(copy, file));
    else writeFileSync(join(copy, file), edit(readFileSync(join(copy, file), 'utf8')));
    expect(await checkEvidence(copy, null)).toMatchObject({ ok: false, difference: { file, ...difference } });
  });

  it('says which file is too much, and refuses a folder that is none or is not empty', async () => {
    const copy = join(top, 'more');
    await cp(pack, copy, { recursive: true });
    writeFileSync(join(copy, 'notes.txt'), 'mine');
    expect((await checkEvidence(copy, null)).difference).toMatchObject({ file: 'notes.txt' });
    await expect(checkEvidence(join(top, 'nothing'), null)).rejects.toMatchObject({ code: 'invalid-input' });
    await expect(exported(acme.administrator, copy)).rejects.toMatchObject({ code: 'invalid-input' });
    expect(readdirSync(copy)).toContain('notes.txt');
    const backwards = exported(acme.administrator, join(top, 'b'), { from: end });
    await expect(backwards).rejects.toMatchObject({ code: 'invalid-input' });
  });

  it('that two make in one folder at the same time is one, and whole', async () => {
    const folder = join(top, 'contended');
    const both = await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE audit_head IN ACCESS EXCLUSIVE MODE');
      const exporting = Promise.allSettled([1, 2].map(() => exported(acme.administrator, folder)));
      await untilWaiting(client, 2); // both have found it empty
      await client.query('COMMIT');
      return await exporting;
    });
    const [lost, ...others] = both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(lost).toMatchObject({ code: 'invalid-input', message: expect.stringContaining('is not empty') });
    expect(others).toEqual([]);
    expect(await checkEvidence(folder, made.thumbprint)).toMatchObject({ ok: true });
  });

  it('can be checked no earlier than it stands in the audit log', async () => {
    const folder = join(top, 'noted');
    await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM audit_head WHERE tenant_id = $1 FOR UPDATE', [acme.tenant]);
      const exporting = exported(acme.administrator, folder);
      await untilWaiting(client, 1);
      const there = readdirSync(folder);
      await client.query('COMMIT');
      await exporting;
      expect(there).toContain('roles.csv');
      expect(there).not.toContain('manifest.json');
    });
    expect(await checkEvidence(folder, made.thumbprint)).toMatchObject({ ok: true });
  });

  it('costs what its tenant has, not what there is of others', async () => {
    await asOwner(install.database.url, async (client) => {
      const copies = 'SELECT gen_random_uuid(), md5(n::text)::uuid, md5(n::text)::uuid'; // of as many tenants
      await client.query('ALTER TABLE change DISABLE TRIGGER USER; ALTER TABLE event DISABLE TRIGGER USER');
      await client.query(
        `INSERT INTO change (id, tenant_id, connection_id, external_id, kind, cause, after, fields, roles_gained, roles_lost, fingerprint,
           desired_hash, found_tenants, group_id, state, revision, run_id)
         ${copies}, external_id, kind, cause, after, fields, roles_gained, roles_lost, fingerprint, desired_hash, found_tenants, group_id,
           'superseded', revision, run_id FROM change, generate_series(1, 4000) n WHERE connection_id = $1`,
        [neighbour.connection],
      );
      await client.query(
        `INSERT INTO event (id, tenant_id, auth_user_id, type, user_version, data, created_at)
         ${copies}, type, user_version, data, now() FROM event, generate_series(1, 4000) n WHERE tenant_id = $1 AND auth_user_id IS NOT NULL`,
        [neighbour.tenant],
      );
      await client.query(
        'ALTER TABLE change ENABLE TRIGGER USER; ALTER TABLE event ENABLE TRIGGER USER; ANALYZE',
      );
    });
    const making = () => exported(acme.administrator, join(top, 'beside-many'));
    expect((await costOf(install.database.url, making)).rowsRead).toBeLessThan(4_000);
  });

  it('is for whoever may see all that it shows, of their own tenant', async () => {
    const reviewer = await aCaller(install, acme.tenant, 'reviewer');
    await expect(exported(reviewer, join(top, 'r'))).rejects.toMatchObject({ code: 'forbidden' });
    const foreign = exported(acme.administrator, join(top, 'f'), { tenant: neighbour.tenant });
    await expect(foreign).rejects.toMatchObject({ code: 'not-found' });
  });

  it('can be sent as one file, of which nothing is left in the file system once it is made', async () => {
    const own = mkdtempSync(join(top, 'tmp-'));
    vi.stubEnv('TMPDIR', own);
    const deps = { ...install, store: install.store, tokenKeys: new TokenKeys(install) };
    const input = { from: '2026-01-01T00:00:00Z', to: end };
    const { stream } = await sendEvidence(deps, acme.administrator, input, never);
    expect(readdirSync(own)).toEqual([]);
    const tar = Buffer.concat(await stream.toArray());
    expect(tar.length % 512).toBe(0);
    const files = unpacked(tar);
    const folder = mkdtempSync(join(top, 'unpacked-'));
    for (const [name, content] of files) writeFileSync(join(folder, name), content);
    expect(await checkEvidence(folder, made.thumbprint)).toMatchObject({ ok: true });
    const unread = await sendEvidence(deps, acme.administrator, input, never);
    unread.stream.destroy();
    const stranger = sendEvidence(deps, acme.administrator, { ...input, tenant: neighbour.tenant }, never);
    await expect(stranger).rejects.toMatchObject({ code: 'not-found' });
    expect(readdirSync(own)).toEqual([]);
  });

  it('that a killed process has left is removed once nothing was written for hours, and nothing else is', async () => {
    const own = mkdtempSync(join(top, 'tmp-'));
    vi.stubEnv('TMPDIR', own);
    const long = new Date(Date.now() - 7 * 3_600_000);
    const made = (name: string, written: Date) => {
      mkdirSync(join(own, name));
      writeFileSync(join(own, name, 'users.csv'), 'ada@harbor.example');
      utimesSync(join(own, name, 'users.csv'), written, written);
      utimesSync(join(own, name), long, long);
    };
    made('rollcall-evidence-aB3xYz', long);
    made('rollcall-evidence-being0', new Date());
    made('rollcall-evidence-of-somebody', long);
    symlinkSync(join(own, 'rollcall-evidence-of-somebody'), join(own, 'rollcall-evidence-link00'));
    await removeLeftovers();
    const left = ['rollcall-evidence-being0', 'rollcall-evidence-link00', 'rollcall-evidence-of-somebody'];
    expect(readdirSync(own).sort()).toEqual(left);
    expect(readdirSync(join(own, 'rollcall-evidence-of-somebody'))).toEqual(['users.csv']);
  });
});

describe('The audit log beside an earlier evidence pack', () => {
  it('goes on from it; and shows where its end was cut off together with the record of it', async () => {
    const { head } = JSON.parse(readFileSync(join(pack, 'manifest.json'), 'utf8')).chains[0];
    const known = [`${acme.tenant}/${head.number}/${head.hash}`];
    const verified = async () => (await verifyAudit(install, acme.administrator, { known })).tenants[0];
    expect(await verified()).toMatchObject({ ok: true });
    const others = [...known, `${neighbour.tenant}/1/${'0'.repeat(64)}`];
    const alone = { tenant: acme.tenant, known: others };
    expect(await verifyAudit(install, install.operator, alone)).toMatchObject({
      tenants: [{ tenant: acme.tenant, ok: true }],
    });
    const foreign = verifyAudit(install, neighbour.administrator, { known });
    await expect(foreign).rejects.toMatchObject({ code: 'not-found' });
    await asOwner(install.database.url, async (client) => {
      await client.query('ALTER TABLE audit_entry DISABLE TRIGGER USER');
      await client.query('DELETE FROM audit_entry WHERE tenant_id = $1 AND number > 5', [acme.tenant]);
      await client.query(
        'UPDATE audit_head h SET number = 5, hash = e.hash FROM audit_entry e WHERE e.tenant_id = $1 AND e.number = 5 AND h.tenant_id = $1',
        [acme.tenant],
      );
      await client.query('ALTER TABLE audit_entry ENABLE TRIGGER USER');
    });
    expect((await verifyAudit(install, acme.administrator, {})).tenants[0]).toMatchObject({ ok: true });
    expect(await verified()).toMatchObject({
      ok: false,
      brokenAt: 6,
      because: expect.stringContaining('cut off'),
    });
  });
});

/** Of a tar file whose names and sizes are plain. */
function unpacked(tar: Buffer): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; tar[at] !== 0; ) {
    const text = (from: number, to: number) => tar.toString('utf8', at + from, at + to).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 136), 8);
    files.set(text(0, 100).split('/')[1] ?? '', tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
