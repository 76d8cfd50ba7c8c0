/** `rollcall connections test`: what works, what a run would bring, what will not work and why. */
import type { CheckStep } from '../../connectors/contract.ts';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { valueInWords } from './describe.ts';
import { objectIn } from './directoryOptions.ts';
import { EXIT } from './failure.ts';
import { foretellNewRoles } from './newRoles.ts';
import type { Operator } from './operator.ts';
import { counted, duration, grouped, harmless, type Terminal } from './terminal.ts';

type Tested = Extract<
  Awaited<ReturnType<ReturnType<Operator['testConnection']>['next']>>,
  { done: true }
>['value'];
type Preview = NonNullable<Tested>;

export async function testConnection(
  cli: Cli,
  { operator }: App,
  name: string,
  mapping: string | undefined,
): Promise<number> {
  const { terminal } = cli;
  const connection = await operator.findConnection(name);
  const steps: CheckStep[] = [];
  const wanted = mapping === undefined ? {} : { mapping: objectIn(mapping, '--mapping') };
  const test = operator.testConnection({ connection: connection.id, ...wanted }, cli.signal);
  for (;;) {
    const { done, value } = await test.next();
    if (done) return end(cli, connection.id, steps, value);
    steps.push(value);
    if (!terminal.json) writeStep(terminal, value);
  }
}

function writeStep({ line, style }: Terminal, step: CheckStep): void {
  const mark = step.ok
    ? style('green', 'ok  ')
    : step.optional
      ? style('yellow', 'warn')
      : style('red', 'fail');
  line(`${mark}  ${step.step.padEnd(10)}  ${harmless(step.detail)}`);
  if (step.remedy !== undefined) line(`      remedy: ${asTyped(harmless(step.remedy))}`);
}

function end(cli: Cli, connection: string, steps: readonly CheckStep[], preview: Preview | null): number {
  const { terminal } = cli;
  const ok = preview !== null;
  if (terminal.json) terminal.document({ connection, ok, steps, preview });
  else if (ok) {
    writePreview(terminal, preview);
    cli.next(`sync ${connection}`);
  }
  return ok ? EXIT.ok : EXIT.failed;
}

function writePreview(terminal: Terminal, preview: Preview): void {
  const { line, style, table } = terminal;
  const { sample, groupRolesShown, shortcomings } = preview;
  if (sample.length > 0) {
    line(`\n${style('bold', 'Some users, as they would be mapped')}`);
    const roles = groupRolesShown ? 'roles' : 'roles (those that follow from groups left out)';
    table(
      ['id in there', 'state', 'user name', 'address', 'name', roles],
      sample.map(({ externalId, state, fields, roles }) => [
        externalId,
        state,
        ...['userName', 'email', 'displayName'].map((field) => valueInWords(fields[field] ?? null)),
        valueInWords(roles),
      ]),
    );
  }
  writeTree(terminal, preview);
  line(`\n${style('bold', 'A full pull')}: ${pullInWords(preview)}`);
  foretellNewRoles(terminal, preview.newRoles);
  if (shortcomings.length === 0) return;
  line(`\n${style('bold', 'What will not work')}`);
  for (const { what, why } of shortcomings) line(`  ${harmless(what)} ${asTyped(harmless(why))}`.trimEnd());
}

const remarks = {
  there: '',
  made: 'new',
  missing: 'missing: whoever belongs there waits for a person',
  closed: 'to be deleted: whoever belongs there waits for a person',
} as const satisfies Record<Preview['tree'][number]['is'], string>;

function writeTree({ line, style, table }: Terminal, { tree, peopleInTree, users }: Preview): void {
  if (tree.every(({ tenant }) => tenant === null)) return;
  const seen = counted(peopleInTree, 'user');
  const of = users !== null && users > peopleInTree ? `, the first of ${grouped(users)}` : '';
  line(`\n${style('bold', `Where ${seen} would be${of}`)}`);
  table(
    ['tenant', 'active', 'roles', ''],
    tree.map(({ tenant, is, people, roles }) => {
      const names = tenant?.split('/') ?? [];
      const held = roles.map(({ role, people: holders }) => `${role} ${grouped(holders)}`).join(', ');
      const name = names.at(-1) ?? "the connection's own";
      return [
        { text: name, indent: 2 * names.length },
        grouped(people),
        held,
        { text: remarks[is], style: 'yellow' },
      ];
    }),
  );
}

function pullInWords({ users, seconds }: Preview): string {
  const many = users === null ? 'how many users there are is unknown' : counted(users, 'user');
  if (seconds === null) return `${many}; how long it takes is unknown.`;
  const time = seconds <= 1 ? 'a second or less' : `some ${duration(seconds)}`;
  return `${many}, ${time} at the pace of the first pages.`;
}
