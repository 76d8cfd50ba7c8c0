/** `rollcall apply`: carry out what was approved, and what a policy applies by itself. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { haltReasons } from '../domain/apply.ts';
import { type ListedConnection, unreadable } from '../domain/connection.ts';
import type { ApplyId, ConnectionId } from '../domain/ids.ts';
import { asTyped } from './asTyped.ts';
import { chosenConnections } from './chosen.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { EXIT, tell, toldOf } from './failure.ts';
import type { Operator } from './operator.ts';
import { grouped, harmless, timeLeft } from './terminal.ts';

type ApplyOptions = { readonly all?: boolean; readonly despiteFreeze?: string };

export function addApplyCommand(program: Command, cli: Cli): void {
  const apply = program
    .command('apply')
    .description('carry out what was approved; a user that changed meanwhile is left alone and reported')
    .argument('[connection...]', 'ids or names')
    .option('--all', 'every connection')
    .option('--despite-freeze <reason>', 'although a freeze period holds: why it cannot wait')
    .action((names: string[], options: ApplyOptions) =>
      cli.withApp((app) => applyApproved(cli, app, names, options)),
    );
  examples(
    apply,
    "rollcall apply 'Harbor Okta'",
    'rollcall apply --all --json',
    "rollcall apply 'Harbor Okta' --despite-freeze 'Leaver with access to production'",
  );
}

type ShownApply = Awaited<ReturnType<Operator['getApply']>>;
type Applied = {
  readonly connection: string;
  readonly name: string;
  readonly apply: ApplyId | null;
  readonly error?: object;
} & Pick<
  ShownApply,
  | 'total'
  | 'applied'
  | 'alreadyApplied'
  | 'moved'
  | 'failed'
  | 'held'
  | 'halt'
  | 'explanation'
  | 'remedy'
  | 'resumesAt'
> & { readonly state: ShownApply['state'] | null };

const NOTHING = {
  ...{ apply: null, state: null, total: 0, applied: 0, alreadyApplied: 0, moved: 0, failed: 0, held: 0 },
  ...{ halt: null, explanation: null, remedy: null, resumesAt: null },
};

async function applyApproved(
  cli: Cli,
  app: App,
  names: readonly string[],
  options: ApplyOptions,
): Promise<number> {
  const { terminal } = cli;
  const connections = await chosenConnections(app.operator, names, options.all === true);
  const done: Applied[] = [];
  for (const connection of connections) {
    if (connection.state === 'unreadable') {
      terminal.note(`${harmless(connection.name)}: ${unreadable(connection).message}`);
      continue;
    }
    for (const one of await applyOrFail(cli, app, connection, options.despiteFreeze ?? null)) {
      done.push(one);
      if (!terminal.json && one.error === undefined) writeApplied(cli, one);
    }
  }
  if (terminal.json) terminal.document({ applies: done });
  else if (done.every((one) => one.total === 0 && one.error === undefined))
    terminal.note(asTyped('Approve changes first: rollcall changes'));
  const all = connections.every((one) => one.state !== 'unreadable');
  return all && done.every(isWhole) ? EXIT.ok : EXIT.notNow;
}

function isWhole({ state, moved, failed, held, error }: Applied): boolean {
  return moved + failed + held === 0 && error === undefined && (state === null || state === 'finished');
}

/** One connection that cannot be applied does not keep the others from it. */
async function applyOrFail(
  cli: Cli,
  app: App,
  connection: ListedConnection,
  despiteFreeze: string | null,
): Promise<Applied[]> {
  try {
    return await applyTo(cli, app, connection, despiteFreeze);
  } catch (error) {
    if (cli.signal.aborted) throw error;
    const { exit: _, ...told } = toldOf(error);
    if (!cli.terminal.json) {
      const { name } = await app.operator.getTenant(connection.tenant);
      tell(error, cli.terminal, `${connection.name} of ${name}`);
    }
    return [{ ...NOTHING, connection: connection.id, name: connection.name, error: told }];
  }
}

/** First what another process left unfinished, or what is due by the policy; then what is approved now. */
export async function applyTo(
  cli: Cli,
  app: App,
  connection: ListedConnection,
  despiteFreeze: string | null = null,
): Promise<Applied[]> {
  const { operator } = app;
  await operator.advanceApplies([connection.id]);
  const left = (await operator.unfinishedApplies()).filter((one) => one.connection === connection.id);
  const done: Applied[] = [];
  for (const { id } of left) done.push(await carryOut(cli, app, id));
  const [summary] = await operator.summarise({ connection: connection.id });
  if ((summary?.approved ?? 0) === 0)
    return done.length > 0 ? done : [{ ...NOTHING, connection: connection.id, name: connection.name }];
  if (done.some(({ state }) => state === 'paused')) return done;
  const { apply } = await operator.startApply({ connection: connection.id, despiteFreeze });
  return [...done, await carryOut(cli, app, apply)];
}

/** What policies apply by themselves is carried out here, where no worker is at hand. */
export async function applyDue(
  cli: Cli,
  app: App,
  connections: readonly ConnectionId[],
): Promise<readonly Applied[]> {
  const { begun, waiting } = await app.operator.advanceApplies(connections);
  const done: Applied[] = [];
  for (const id of begun) {
    const one = await carryOut(cli, app, id);
    done.push(one);
    if (!cli.terminal.json) writeApplied(cli, one);
  }
  for (const id of waiting) {
    const view = await app.operator.getApply(id);
    const { name } = await app.operator.getConnection(view.connection);
    done.push({ ...view, name, apply: id });
    if (cli.terminal.json) continue;
    const when = view.startsAt === null ? '' : ` at ${view.startsAt}`;
    cli.terminal.line(`${harmless(name)}: ${grouped(view.total)} approved, applied by the policy${when}.`);
    cli.next(`applies show ${id}`, `applies cancel ${id}`);
  }
  return done;
}

const POLL_MS = 300;

/** To its end, or to where it is paused. */
export async function carryOut(cli: Cli, { operator }: App, apply: ApplyId): Promise<Applied> {
  const progress = cli.terminal.progress();
  const began = Date.now();
  const { connection, total, done: before } = await operator.getApply(apply);
  const { name } = await operator.getConnection(connection);
  try {
    for (;;) {
      await operator.carryOutApply(apply, {
        signal: cli.signal,
        total,
        onProgress: ({ done }) => {
          const left = timeLeft(done, total - before, Date.now() - began);
          progress.update(
            name,
            `${grouped(before + done)} of ${grouped(total)} applied${left === '' ? '' : `, ${left}`}`,
          );
        },
      });
      const view = await operator.getApply(apply);
      if (view.state !== 'running') return { ...view, name, apply };
      await wait(POLL_MS, undefined, { signal: cli.signal }); // another process has the last batch
    }
  } finally {
    progress.clear();
  }
}

export function writeApplied(cli: Cli, one: Applied): void {
  cli.terminal.line(appliedInWords(one));
  if (one.remedy !== null) cli.terminal.line(harmless(asTyped(one.remedy)));
  if (one.state === 'paused') cli.next(`applies resume ${one.apply}`, `applies cancel ${one.apply}`);
}

function appliedInWords(one: Applied): string {
  const name = harmless(one.name);
  if (one.total === 0) return `${name}: nothing is approved.`;
  const before = one.alreadyApplied === 0 ? '' : `, ${grouped(one.alreadyApplied)} were applied before`;
  const moved =
    one.moved === 0
      ? ''
      : `, ${grouped(one.moved)} left alone because the user had changed (the next sync proposes afresh)`;
  const failed =
    one.failed === 0 ? '' : `, ${grouped(one.failed)} failed (${asTyped('rollcall changes --state failed')})`;
  const held =
    one.held === 0
      ? ''
      : `, ${grouped(one.held)} held again by a guard (${asTyped('rollcall changes --state held')})`;
  return `${name}: applied ${grouped(one.applied)} of ${grouped(one.total)}${before}${moved}${failed}${held}${haltInWords(one)}.`;
}

/** `; paused: the first part is done; …, goes on 2026-11-22T18:00:00Z`; empty for one that ran to its end. */
function haltInWords({ state, halt, resumesAt }: Applied): string {
  if (halt === null || state === null) return '';
  const said = halt.reason === null ? '' : ` (${harmless(halt.reason)})`;
  const on = resumesAt === null ? '' : `; it goes on by itself at ${resumesAt}`;
  return `; ${state}: ${haltReasons[halt.because]}${said}${on}`;
}
