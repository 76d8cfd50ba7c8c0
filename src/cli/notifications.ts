/** `rollcall notifications`: channels that people are told by, and what they were told. */
import { type Command, Option } from 'commander';
import { CHANNEL_TYPES, type ChannelType } from '../domain/channel.ts';
import { minute } from '../domain/clock.ts';
import { NOTICE_KINDS, type NoticeKind } from '../domain/notice.ts';
import { Problem } from '../domain/problem.ts';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { contentOf, objectIn } from './directoryOptions.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { atLeastOne, everything, type Page, pagesOf, remembered, writeItems } from './lists.ts';
import type { Operator } from './operator.ts';
import { counted, harmless, type Terminal } from './terminal.ts';

type ChannelOptions = {
  readonly to?: string[];
  readonly serverFile?: string;
  readonly urlFile?: string;
  readonly ca?: string;
  readonly immediately?: NoticeKind[];
  readonly digest?: NoticeKind[];
  readonly schedule?: string;
  readonly timeZone?: string;
  readonly namePeople?: boolean;
};
type AddOptions = ChannelOptions & { readonly type: ChannelType; readonly tenant?: string };
type UpdateOptions = ChannelOptions & { readonly name?: string };
type ListOptions = {
  readonly tenant?: string;
  readonly channel?: string;
  readonly state?: 'waiting' | 'sent' | 'failed';
  readonly limit: number;
  readonly all?: boolean;
};

type NewChannel = Parameters<Operator['addChannel']>[0];
type ChangedChannel = Parameters<Operator['updateChannel']>[0];
type Notification = Awaited<ReturnType<Operator['listNotifications']>>['items'][number];

export function addNotificationCommands(program: Command, cli: Cli): void {
  const notifications = program
    .command('notifications')
    .description('tell people of what needs them: by e-mail, Slack or Teams');
  examples(
    notifications,
    'rollcall notifications',
    "rollcall notifications channels add 'Harbor IT' --type slack --tenant Harbor --url-file webhook.txt",
  );
  const list = notifications
    .command('list', { isDefault: true })
    .description(
      'list what channels were told in the last thirty days, newest first, and how each message fared',
    )
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .option('--channel <channel>', 'only to this channel: id or name')
    .addOption(new Option('--state <state>', 'only in this state').choices(['waiting', 'sent', 'failed']))
    .option('--limit <number>', 'at most so many', atLeastOne, 50)
    .option('--all', 'all of them')
    .action((options: ListOptions) => cli.withApp((app) => listNotifications(cli, app, options)));
  examples(list, 'rollcall notifications', 'rollcall notifications list --state failed --json');
  const channels = notifications
    .command('channels')
    .description('where people are told; without a channel nobody is');
  examples(channels, 'rollcall notifications channels', "rollcall notifications channels test 'Harbor IT'");
  addMaking(channels, cli);
  addChannelVerbs(channels, cli);
}

function addMaking(channels: Command, cli: Cli): void {
  const add = channels
    .command('add')
    .description('add a channel; it is told what needs somebody in its tenant and all below it')
    .argument('<name>', 'what it is called')
    .addOption(new Option('--type <type>', 'by what').choices(CHANNEL_TYPES).makeOptionMandatory())
    .option('--tenant <tenant>', 'of this tenant and what is below it; without it, of all');
  addChannelOptions(add)
    .option('--name-people', 'name a few of the people whom changes concern, instead of counts alone')
    .action((name: string, options: AddOptions) => cli.withApp((app) => addChannel(cli, app, name, options)));
  examples(
    add,
    "rollcall notifications channels add 'Harbor IT' --type slack --tenant Harbor --url-file webhook.txt",
    "rollcall notifications channels add Reviewers --type email --to reviewers@harbor.example --immediately quarantine failed-apply --digest pending-approvals held-changes --schedule '0 8 * * 1-5' --time-zone Europe/Rome",
  );
  const update = channels
    .command('update')
    .description('change a channel; what it was told stays told')
    .argument('<channel>', 'id or name')
    .option('--name <name>', 'what it is called from now on');
  addChannelOptions(update)
    .option('--name-people', 'name a few of the people whom changes concern')
    .option('--no-name-people', 'count them alone')
    .action((which: string, options: UpdateOptions) =>
      cli.withApp((app) => updateChannel(cli, app, which, options)),
    );
  examples(
    update,
    'rollcall notifications channels update Reviewers --to reviewers@harbor.example it@harbor.example',
    "rollcall notifications channels update 'Harbor IT' --schedule '' --immediately quarantine",
  );
}

function addChannelOptions(command: Command): Command {
  const kinds = (flag: string, text: string) => new Option(flag, text).choices(NOTICE_KINDS);
  return command
    .option('--to <address...>', 'email: who gets it')
    .option('--server-file <file>', "email: mail server of its own, as JSON; without it, the install's")
    .option('--url-file <file>', 'slack, teams: address of the incoming webhook')
    .option('--ca <file>', "slack, teams: PEM certificates to trust besides the system's")
    .addOption(kinds('--immediately <kind...>', 'told within about a minute'))
    .addOption(kinds('--digest <kind...>', 'told in the next digest'))
    .option('--schedule <cron>', "when digests are sent; one without news is not; '' for none")
    .option('--time-zone <name>', 'of the schedule; without it, UTC');
}

function addChannelVerbs(channels: Command, cli: Cli): void {
  const list = channels
    .command('list', { isDefault: true })
    .description('list channels, and how the last message to each fared')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .action((options: { tenant?: string }) => cli.withApp((app) => listChannels(cli, app, options.tenant)));
  examples(list, 'rollcall notifications channels', 'rollcall notifications channels list --json');
  const test = channels
    .command('test')
    .description('send a message now that says that it is a test')
    .argument('<channel>', 'id or name')
    .action((channel: string) => cli.withApp((app) => testChannel(cli, app, channel)));
  examples(test, "rollcall notifications channels test 'Harbor IT'");
  const remove = channels
    .command('remove')
    .description('remove a channel, with what it was told')
    .argument('<channel>', 'id or name')
    .action((channel: string) => cli.withApp((app) => removeChannel(cli, app, channel)));
  examples(remove, "rollcall notifications channels remove 'Harbor IT'");
}

async function addChannel(cli: Cli, { operator }: App, name: string, options: AddOptions): Promise<void> {
  const { terminal } = cli;
  const tenant =
    options.tenant === undefined ? operator.root : (await operator.findTenant(options.tenant)).id;
  const added = await operator.addChannel({
    tenant,
    name,
    destination: destinationFrom(options),
    ...tellingFrom(options),
  });
  if (terminal.json) return terminal.document(added);
  terminal.line(`Added the notification channel ${harmless(added.name)} (${added.id}).`);
  terminal.line('What needs somebody now is told by a running daemon (rollcall start).');
  cli.next(`notifications channels test ${added.id}`);
}

async function updateChannel(
  { terminal }: Cli,
  { operator }: App,
  which: string,
  options: UpdateOptions,
): Promise<void> {
  const { id, destination } = await operator.findChannel(which);
  const { name, to, serverFile, urlFile, ca } = options;
  const isMoved = [to, serverFile, urlFile, ca].some((one) => one !== undefined);
  const updated = await operator.updateChannel({
    notificationChannel: id,
    ...(name === undefined ? {} : { name }),
    ...(isMoved ? { destination: movedFrom({ ...options, type: destination.type }) } : {}),
    ...tellingFrom(options),
  });
  if (terminal.json) return terminal.document(updated);
  terminal.line(`Updated the notification channel ${harmless(updated.name)}.`);
}

/** Without a schedule nothing is told in a digest. */
function tellingFrom({ immediately, digest, schedule, timeZone, namePeople }: ChannelOptions) {
  const inDigest = digest ?? (schedule === '' ? [] : undefined);
  return {
    ...(immediately === undefined ? {} : { immediately }),
    ...(inDigest === undefined ? {} : { inDigest }),
    ...(schedule === undefined ? {} : { schedule: schedule === '' ? null : schedule }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(namePeople === undefined ? {} : { namesPeople: namePeople }),
  };
}

type Moved = ChannelOptions & { readonly type: ChannelType };

/** What is asked of it beyond this, the use case says. */
function destinationFrom(options: Moved): NewChannel['destination'] {
  const { type, to, serverFile } = options;
  if (type !== 'email') return webhookFrom(type, options);
  refuseForeign(options);
  if (to === undefined) throw missing('Nobody is named who gets the mail.', type);
  const server = serverFile === undefined ? null : objectIn(serverFile, '--server-file');
  return { type, to, server } as NewChannel['destination'];
}

/** The same of one that is there: what is not given stays. */
function movedFrom(options: Moved): NonNullable<ChangedChannel['destination']> {
  const { type, to, serverFile } = options;
  if (type !== 'email') return webhookFrom(type, options);
  refuseForeign(options);
  return {
    type,
    ...(to === undefined ? {} : { to }),
    ...(serverFile === undefined ? {} : { server: objectIn(serverFile, '--server-file') }),
  } as NonNullable<ChangedChannel['destination']>;
}

function webhookFrom(type: 'slack' | 'teams', options: Moved) {
  refuseForeign(options);
  const { urlFile, ca } = options;
  if (urlFile === undefined) throw missing('The address of the webhook is not given.', type);
  const url = contentOf(urlFile, '--url-file').trim();
  return { type, url, ca: ca === undefined ? null : contentOf(ca, '--ca') };
}

function refuseForeign({ type, to, serverFile, urlFile, ca }: Moved): void {
  const foreign =
    type === 'email' ? { '--url-file': urlFile, '--ca': ca } : { '--to': to, '--server-file': serverFile };
  for (const [option, value] of Object.entries(foreign))
    if (value !== undefined) throw missing(`${option} says nothing of a channel of type ${type}.`, type);
}

function missing(message: string, type: ChannelType): Problem {
  const remedy =
    type === 'email'
      ? "Give --to, and --server-file where the install's mail server is not meant."
      : 'Give --url-file, and --ca where its certificate needs one.';
  return new Problem({ code: 'invalid-input', message, remedy });
}

async function listChannels({ terminal }: Cli, { operator }: App, within: string | undefined): Promise<void> {
  const tenant = within === undefined ? {} : { tenant: (await operator.findTenant(within)).id };
  const items = await everything((page) => operator.listChannels({ ...tenant, ...page }));
  if (terminal.json) return terminal.document({ items, next: null });
  if (items.length === 0) return terminal.line('Nobody is told anything: there is no channel.');
  const tenantName = remembered(async (id: string) => (await operator.getTenant(id)).name);
  const rows = items.map(
    async ({ name, tenant: of, destination, immediately, inDigest, schedule, last, id }) => [
      name,
      await tenantName(of),
      destination.type === 'email' ? destination.to.join(', ') : `${destination.type} (${destination.host})`,
      immediately.length === NOTICE_KINDS.length ? 'everything' : immediately.join(', '),
      schedule === null ? '' : `${inDigest.join(', ')} (${schedule})`,
      last === null ? 'nothing yet' : last.state,
      id,
    ],
  );
  terminal.table(
    ['channel', 'tenant', 'to', 'immediately', 'in digest', 'last', 'id'],
    await Promise.all(rows),
  );
  for (const { name, last } of items)
    if (last?.state === 'failed' && last.problem !== null)
      terminal.note(`${harmless(name)}: the last message failed. ${harmless(last.problem)}`);
}

async function testChannel({ terminal, signal }: Cli, { operator }: App, which: string): Promise<number> {
  const { id, name } = await operator.findChannel(which);
  const { ok, problem } = await operator.testChannel(id, signal);
  if (terminal.json) terminal.document({ id, ok, problem });
  else if (ok) terminal.line(`${harmless(name)} has taken the test.${problem === null ? '' : ` ${problem}`}`);
  else terminal.line(`${harmless(name)} has not taken it: ${harmless(problem ?? '')}`);
  return ok ? EXIT.ok : EXIT.failed;
}

async function removeChannel({ terminal }: Cli, { operator }: App, which: string): Promise<void> {
  const { id, name } = await operator.findChannel(which);
  await operator.removeChannel(id);
  if (terminal.json) return terminal.document({ id, removed: true });
  terminal.line(`${harmless(name)} is told nothing any more.`);
}

const STYLES = { waiting: 'yellow', sent: 'green', failed: 'red' } as const;

async function listNotifications(
  { terminal }: Cli,
  { operator }: App,
  { tenant, channel, state, ...wanted }: ListOptions,
): Promise<void> {
  const filter = {
    ...(tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id }),
    ...(channel === undefined ? {} : { channel: (await operator.findChannel(channel)).id }),
    ...(state === undefined ? {} : { state }),
  };
  const fetch = (page: Page) => operator.listNotifications({ ...filter, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, wanted);
  const seen: { found: number; next: string | null } = { found: 0, next: null };
  for await (const { items, next } of pagesOf(fetch, wanted)) {
    seen.found += items.length;
    seen.next = next;
    for (const one of items) writeNotification(terminal, one);
  }
  if (seen.found === 0) terminal.note('Nobody was told anything.');
  if (seen.next !== null) terminal.note('\nThere are more: --limit or --all.');
}

function writeNotification(
  terminal: Terminal,
  { channelName, state, attempts, message, problem, createdAt }: Notification,
): void {
  const how = terminal.style(STYLES[state], state);
  terminal.line(`${minute(createdAt)}  ${harmless(channelName)}  ${how}  ${harmless(message.title)}`);
  for (const { text, command } of message.lines)
    terminal.line(`  ${harmless(text)}\n    ${asTyped(command)}`);
  if (message.more > 0) terminal.line(`  and ${message.more} more`);
  if (problem !== null) terminal.line(`  ${counted(attempts, 'attempt')}: ${harmless(problem)}`);
}
