/** One row of everything that a tenant can have, for tests that no table may escape. */
import type pg from 'pg';
import { v7 } from 'uuid';

/** One row for a tenant in every table that has a tenant. The owner may write everywhere. */
export async function fillEveryTable(owner: pg.Client, tenant: string): Promise<void> {
  const [principal, connection, user, decision, role, provider, run, group, channel, apply] = [
    v7(),
    v7(),
    v7(),
    v7(),
    v7(),
    v7(),
    v7(),
    v7(),
    v7(),
    v7(),
  ];
  const secret_hash = () => `\\x${v7().replaceAll('-', '')}`;
  const of = { tenant_id: tenant };
  const configuration = { settings: {}, network: {}, mapping: {}, policy: {} };
  const in_connection = { ...of, connection_id: connection };
  const rows: readonly (readonly [string, object])[] = [
    ['tenant_domain', { ...of, domain: 'example.com', verified_by: 'operator' }],
    ['domain_claim', { ...of, id: v7(), domain: 'example.com', token: 't', created_at: '2026-01-01' }],
    ['principal', { ...of, id: principal, name: v7(), role: 'auditor' }],
    ['api_key', { ...of, id: v7(), principal_id: principal, secret_hash: secret_hash() }],
    [
      'sign_in_provider',
      { ...of, id: provider, name: 'main', issuer: 'https://id.example.com', client_id: 'c' },
    ],
    ['principal_login', { ...of, provider_id: provider, subject: 's', principal_id: principal }],
    [
      'sign_in_link',
      { ...of, id: v7(), principal_id: principal, purpose: 'recovery', secret_hash: secret_hash() },
    ],
    [
      'session',
      {
        ...of,
        id: v7(),
        principal_id: principal,
        secret_hash: secret_hash(),
        method: 'recovery',
        expires_at: '2027-01-01',
      },
    ],
    [
      'support_access',
      {
        ...of,
        id: v7(),
        principal_id: principal,
        actor: {},
        state: 'requested',
        reason: 'r',
        minutes: 60,
      },
    ],
    [
      'signing_key',
      {
        ...of,
        id: v7(),
        public_key: {},
        private_key: '\\x00',
        signs_from: '2026-01-01',
        signs_until: '2026-02-01',
        published_until: '2026-03-01',
      },
    ],
    [
      'connection',
      { ...of, id: connection, name: 'main', provider: 'okta', credentials: '\\x00', ...configuration },
    ],
    ['auth_user', { ...of, id: user, state: 'active' }],
    ['leaver', { ...in_connection, external_id: 'e', auth_user_id: user, since: '2026-01-01' }],
    [
      'identity',
      { ...in_connection, external_id: 'x', auth_user_id: user, agreed_hash: '\\x00', agreed_version: 1 },
    ],
    ['role', { id: role, name: role }],
    ['role_assignment', { ...of, auth_user_id: user, role_id: role, origin: 'manual' }],
    [
      'sync_run',
      {
        ...in_connection,
        id: run,
        kind: 'full',
        trigger: 'demand',
        state: 'queued',
        mapping: {},
        reading_fingerprint: '',
        requested_by: '',
      },
    ],
    ['staged_group', { ...of, run_id: run, external_id: 'g', name: 'g' }],
    ['staged_membership', { ...of, run_id: run, user_id: 'u', group_id: 'g' }],
    ['directory_user', { ...in_connection, external_id: 'u', content: {}, content_hash: '\\x00' }],
    ['staged_user', { ...of, run_id: run, external_id: 'u', problem: 'unreadable' }],
    ['staged_touched', { ...of, run_id: run, external_id: 'u' }],
    ['staged_other_group', { ...of, run_id: run, external_id: 'g' }],
    ['decision', { ...in_connection, id: decision, verdict: 'hold', made_by: 'guard', reason: '' }],
    [
      'guard_override',
      {
        ...in_connection,
        id: v7(),
        guard: 'too-many-deletions',
        reason: '',
        expires_at: '2027-01-01',
        principal_id: principal,
        actor: {},
        created_at: '2026-01-01',
      },
    ],
    [
      'notification_channel',
      {
        ...of,
        id: channel,
        name: 'main',
        type: 'slack',
        settings: {},
        immediately: [],
        in_digest: [],
        time_zone: 'UTC',
        created_at: '2026-01-01',
      },
    ],
    [
      'notice',
      { ...of, id: v7(), channel_id: channel, kind: 'quarantine', subject: 's', opened_at: '2026-01-01' },
    ],
    [
      'notification',
      {
        ...of,
        id: v7(),
        channel_id: channel,
        message: {},
        state: 'waiting',
        due_at: '2026-01-01',
        created_at: '2026-01-01',
      },
    ],
    ['tenant_policy', { ...of, policy: {}, changed_at: '2026-01-01', changed_by: {} }],
    ['policy_verdict', { ...in_connection, id: v7(), verdict: 'approve', rule: 'r', digest: '' }],
    [
      'approval',
      {
        ...in_connection,
        decision_id: decision,
        change_id: v7(),
        principal_id: principal,
        created_at: '2026-01-01',
      },
    ],
    ['configurator', { ...in_connection, principal_id: principal, changed_at: '2026-01-01' }],
    ['to_judge', { ...in_connection }],
    [
      'assignment',
      { ...in_connection, change_id: v7(), principal_id: principal, name: 'n', assigned_at: '2026-01-01' },
    ],
    [
      'change_comment',
      {
        ...in_connection,
        id: v7(),
        change_id: v7(),
        external_id: 'x',
        principal_id: principal,
        actor: {},
        text: 't',
        created_at: '2026-01-01',
      },
    ],
    [
      'adjustment',
      {
        ...in_connection,
        id: v7(),
        external_id: 'x',
        roles_added: [],
        roles_removed: [],
        principal_id: principal,
        actor: {},
        reason: 'r',
        created_at: '2026-01-01',
      },
    ],
    [
      'pair',
      {
        ...in_connection,
        id: v7(),
        kind: 'match',
        external_id: 'y',
        auth_user_id: user,
        shares: ['address'],
        content: '\\x00',
        fingerprint: '\\x00',
        state: 'open',
        revision: 1,
        run_id: run,
      },
    ],
    ['decision_change', { ...of, decision_id: decision, change_id: v7(), fingerprint: '\\x00' }],
    [
      'apply',
      {
        ...in_connection,
        id: apply,
        state: 'finished',
        principal_id: principal,
        actor: {},
        decisions: [],
        total: 0,
      },
    ],
    ['apply_outcome', { ...of, apply_id: apply, change_id: v7(), outcome: 'moved' }],
    [
      'change',
      {
        ...in_connection,
        id: v7(),
        external_id: 'u',
        kind: 'create',
        cause: 'test',
        fields: [],
        roles_gained: [],
        roles_lost: [],
        fingerprint: '\\x00',
        desired_hash: '\\x00',
        state: 'open',
        revision: 1,
        run_id: run,
        group_id: group,
      },
    ],
    [
      'change_group',
      {
        ...in_connection,
        id: group,
        kind: 'create',
        cause: 'test',
        risk: 'low',
        risk_signals: [],
        difference_key: '',
        difference: {},
        fields: [],
        roles_gained: [],
        roles_lost: [],
      },
    ],
    ['event', { ...of, id: v7(), auth_user_id: user, change_id: v7(), type: 't', user_version: 1, data: {} }],
  ];
  for (const [table, row] of rows) await insertInto(owner, table, row);
}

/** Columns that `row` leaves out get their defaults. */
export async function insertInto(as: pg.ClientBase, table: string, row: object): Promise<void> {
  const columns = Object.keys(row).join(', ');
  await as.query(
    `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM jsonb_populate_record(NULL::${table}, $1::jsonb)`,
    [JSON.stringify(row)],
  );
}
