/** Columns -> our words, as the settings say. README.md has the same for people. */
import type { CustomValue, DirectoryState, DirectoryUser } from '../../src/domain/directory.ts';
import { ExternalId, isStorable } from '../../src/domain/ids.ts';
import { cleanText } from '../../src/domain/normalise.ts';
import type { UnreadableRecord, UserRecord } from '../contract.ts';
import type { Entry } from './entry.ts';
import { type FileSettings, spelling, TEXTS, type Text } from './settings.ts';

/** What is wrong with one value, without the value. */
class Unfit extends Error {
  override readonly name = 'Unfit';
}

function textIn(entry: Entry, column: string): string | null {
  const value = entry.value(column);
  if (typeof value === 'string') return cleanText(value);
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'number') throw new Unfit(`${column} holds a list or an object in place of a text`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new Unfit(`${column} holds a number of more digits than JSON keeps: write it as a text`);
  return String(value);
}

/** A list, or a text that `separator` divides. Each once. */
function textsIn(entry: Entry, column: string, separator: string): readonly string[] {
  const value = entry.value(column);
  const items: readonly unknown[] = Array.isArray(value)
    ? value
    : (textIn(entry, column) ?? '').split(separator);
  const texts = items.map((item) => {
    if (typeof item !== 'string' && typeof item !== 'number')
      throw new Unfit(`${column} holds something other than texts`);
    return cleanText(String(item));
  });
  return [...new Set(texts.filter((text) => text !== null))];
}

export function idIn(entry: Entry, column: string): ExternalId {
  const id = ExternalId.safeParse(textIn(entry, column) ?? '');
  if (id.success) return id.data;
  throw new Unfit(`${column} holds no usable id`);
}

/** null where it cannot be read: a row that is broken before its id says nobody's. */
export function idOrNull(entry: Entry, column: string): ExternalId | null {
  return attempt(() => idIn(entry, column)).value;
}

/** The names of groups in a column. `problem` where one of them cannot be a group's id. */
export function groupsIn(entry: Entry, column: string, separator: string) {
  const read = attempt(() => textsIn(entry, column, separator));
  const parsed = (read.value ?? []).map((name) => ExternalId.safeParse(name));
  return {
    groups: parsed.flatMap((one) => (one.success ? [one.data] : [])),
    unread: read.value === null || parsed.some((one) => !one.success),
  };
}

/** A text, for the name of a group; null too where it cannot be read. */
export function nameIn(entry: Entry, column: string): string | null {
  return attempt(() => textIn(entry, column)).value;
}

function attempt<T>(read: () => T): { value: T; problem: null } | { value: null; problem: string } {
  try {
    return { value: read(), problem: null };
  } catch (error) {
    if (error instanceof Unfit) return { value: null, problem: error.message };
    throw error;
  }
}

export type Unit = 'line' | 'entry';

/** Made ready once, used for every entry. `unit`: what a problem calls the place of an entry. */
export function userReader(settings: FileSettings, unit: Unit): (entry: Entry) => UserRecord {
  const read = directoryUserReader(settings);
  return (entry) => {
    const { externalId } = settings.columns;
    if (entry.kind === 'broken') return unreadable(entry, unit, idOrNull(entry, externalId), entry.problem);
    const { value, problem } = attempt(() => read(entry));
    if (value !== null) return { kind: 'user', user: value };
    return unreadable(entry, unit, idOrNull(entry, externalId), problem);
  };
}

export function unreadable(
  { at }: Entry,
  unit: Unit,
  externalId: ExternalId | null,
  problem: string,
): UnreadableRecord {
  return { kind: 'unreadable', externalId, problem: `${unit} ${at}: ${cleanText(problem) ?? ''}` };
}

function directoryUserReader(settings: FileSettings): (entry: Entry) => DirectoryUser {
  const { columns, separator } = settings;
  const stateOf = stateReader(settings);
  const custom = Object.entries(columns.custom).filter(([name]) => isStorable(name));
  return (entry) => {
    const customs: Record<string, CustomValue> = {};
    for (const [name, column] of custom) {
      const value = customIn(entry, column);
      if (value !== null) customs[name] = value;
    }
    return {
      externalId: idIn(entry, columns.externalId),
      state: stateOf(entry),
      ...textsOf(entry, columns),
      userType: columns.userType === undefined ? 'member' : userTypeIn(entry, columns.userType),
      aliases: columns.aliases === undefined ? [] : [...textsIn(entry, columns.aliases, separator)],
      custom: customs,
    };
  };
}

function textsOf(entry: Entry, columns: FileSettings['columns']): Record<Text, string | null> {
  const texts = {} as Record<Text, string | null>;
  for (const name of TEXTS) {
    const column = columns[name];
    texts[name] = column === undefined ? null : textIn(entry, column);
  }
  // Many exports hold the parts alone. Nobody is recognised by a name, and lists would show people without one.
  texts.displayName ??= cleanText(`${texts.givenName ?? ''} ${texts.familyName ?? ''}`);
  return texts;
}

/** A state is never guessed: a spelling that the settings do not list is a problem, and so is a blank one. */
function stateReader({ columns, states }: FileSettings): (entry: Entry) => DirectoryState {
  const column = columns.state;
  if (column === undefined) return () => 'active';
  const spelled = new Map<string, DirectoryState>();
  for (const state of ['active', 'suspended', 'deprovisioned'] as const)
    for (const word of states[state]) spelled.set(spelling(word), state);
  return (entry) => {
    const state = spelled.get(spelling(textIn(entry, column)));
    if (state !== undefined) return state;
    throw new Unfit(`${column} holds no spelling of a state that the settings list`);
  };
}

function userTypeIn(entry: Entry, column: string): DirectoryUser['userType'] {
  const word = spelling(textIn(entry, column));
  if (word === 'member' || word === '') return 'member';
  if (word === 'guest') return 'guest';
  throw new Unfit(`${column} holds neither member nor guest`);
}

function customIn(entry: Entry, column: string): CustomValue | null {
  const value = entry.value(column);
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (!Array.isArray(value)) return textIn(entry, column);
  const items = textsIn(entry, column, ';');
  return items.length === 0 ? null : [...items];
}
