/**
 * The floor: what the machine needs at this moment for the bare work, with nothing of Rollcall in it. Run in a process of its own,
 * so that its memory and its warmed-up code are nobody else's.
 */
import pg from 'pg';
import { from } from 'pg-copy-streams';
import { Agent, request } from 'undici';
import { GROUP_PROPERTIES, USER_PROPERTIES } from '../connectors/entra/schema.ts';

export type Directory = {
  readonly origin: string;
  readonly ca: string;
  readonly directoryId: string;
  readonly clientId: string;
  readonly clientSecret: string;
};

type GraphList = {
  readonly value: readonly { readonly id: string; readonly displayName?: string }[];
  readonly '@odata.nextLink'?: string;
};

/** Group whose members the measured connection reads, because its mapping names it. */
export const MAPPED_GROUP = 'Engineering';

/** Milliseconds to fetch and parse the very pages that a full pull reads, one after the other. */
export async function fetchAndParse(directory: Directory): Promise<number> {
  const dispatcher = new Agent({ connect: { ca: directory.ca } });
  const token = await accessToken(directory, dispatcher);
  const began = performance.now();
  const list = async (path: string) => {
    const found: { id: string; displayName?: string }[] = [];
    for (let url: string | undefined = `${directory.origin}/v1.0/${path}`; url !== undefined; ) {
      const { body } = await request(url, { dispatcher, headers: { authorization: `Bearer ${token}` } });
      const page = JSON.parse(await body.text()) as GraphList;
      found.push(...page.value);
      url = page['@odata.nextLink'];
    }
    return found;
  };
  const groups = await list(`groups?$select=${GROUP_PROPERTIES.join(',')}&$top=999`);
  for (const group of groups) {
    if (group.displayName === MAPPED_GROUP)
      await list(`groups/${group.id}/transitiveMembers?$select=id&$top=999`);
  }
  await list(`users?$select=${USER_PROPERTIES.join(',')}&$expand=manager($select=id)&$top=999`);
  const ms = performance.now() - began;
  await dispatcher.close();
  return ms;
}

async function accessToken(directory: Directory, dispatcher: Agent): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: directory.clientId,
    client_secret: directory.clientSecret,
    scope: 'https://graph.microsoft.com/.default',
  });
  const { body } = await request(`${directory.origin}/${directory.directoryId}/oauth2/v2.0/token`, {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  });
  return ((await body.json()) as { access_token: string }).access_token;
}

/** Milliseconds to COPY the rows of a query, as they are, into a table without index, key or policy. */
export async function copyRows(client: pg.Client, name: string, select: string): Promise<number> {
  await client.query(`DROP TABLE IF EXISTS ${name}; CREATE TABLE ${name} AS ${select} WITH NO DATA`);
  const bytes = await readOut(client, `COPY (${select}) TO STDOUT`);
  const began = performance.now();
  await new Promise<void>((done, failed) => {
    const stream = client.query(from(`COPY ${name} FROM STDIN`));
    stream.once('error', failed);
    stream.once('finish', done);
    stream.end(bytes);
  });
  return performance.now() - began;
}

async function readOut(client: pg.Client, copy: string): Promise<Buffer> {
  const { to } = await import('pg-copy-streams');
  const chunks: Buffer[] = [];
  for await (const chunk of client.query(to(copy))) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Milliseconds for the bare outer join of staged rows with identities, by id and hash. */
export async function join(client: pg.Client): Promise<number> {
  const began = performance.now();
  await client.query(
    `SELECT count(*) FROM floor_staged s FULL JOIN floor_identity i ON i.external_id = s.external_id
     WHERE i.agreed_hash IS DISTINCT FROM s.desired_hash`,
  );
  return performance.now() - began;
}

/** The tables that the floors read; `url` is the owner's, who sees all rows. */
export async function measureDatabase(
  url: string,
): Promise<{ staged: number; content: number; planned: number; applied: number; join: number }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const lastFull = `(SELECT id FROM sync_run WHERE kind = 'full' ORDER BY id DESC LIMIT 1)`;
    const staged = await copyRows(
      client,
      'floor_staged',
      `SELECT external_id, email_key, desired_hash FROM staged_user WHERE run_id = ${lastFull}`,
    );
    const content = await copyRows(
      client,
      'floor_content',
      'SELECT external_id, content, content_hash, desired_hash FROM directory_user',
    );
    const planned = await copyRows(client, 'floor_change', `SELECT * FROM change WHERE kind = 'create'`);
    const users = await copyRows(client, 'floor_user', 'SELECT * FROM auth_user');
    const identities = await copyRows(client, 'floor_identity', 'SELECT * FROM identity');
    const roles = await copyRows(client, 'floor_role', 'SELECT * FROM role_assignment');
    const events = await copyRows(client, 'floor_event', 'SELECT * FROM event');
    const audit = await copyRows(client, 'floor_audit', 'SELECT * FROM audit_entry');
    return {
      staged,
      content,
      planned,
      applied: users + identities + roles + events + audit,
      join: await join(client),
    };
  } finally {
    await client.end();
  }
}

if (process.argv[1] === import.meta.filename) {
  process.once('message', async (work: { directory: Directory; url: string }) => {
    const fetched = await fetchAndParse(work.directory);
    process.send?.({ fetched, ...(await measureDatabase(work.url)) });
    process.disconnect();
  });
}
