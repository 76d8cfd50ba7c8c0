/** What `rollcall connections test` tries of a file. */
import { checkInSteps, counted, type Found, Trial } from '../check.ts';
import { type CheckStep, type Connector, ConnectorError, type UserRecord } from '../contract.ts';
import type { Files } from './files.ts';
import { columnsIn, type FileSettings } from './settings.ts';

/** How many column names, and how many problems, one step repeats. */
const SHOWN = 40;
const PROBLEMS = 3;

type Inside = { readonly settings: FileSettings; readonly files: Files };

/** `inside`: what the connector reads, where it is one of this registry's. */
export function checkFile(
  connector: Connector,
  inside: Inside | null,
  signal: AbortSignal,
): AsyncIterable<CheckStep> {
  const trial = new Trial(connector, signal);
  const users = async () => {
    await inside?.files.reach(signal); // what fails here is about the place, what fails below about the content
    return await orWhatIsWrong(async () => {
      const columns = inside === null ? '' : await columnsOf(inside, signal);
      return seen(await trial.users(), columns);
    });
  };
  return checkInSteps('The file', [{ step: 'users', attempt: users }, trial.groups, trial.members]);
}

async function orWhatIsWrong(attempt: () => Promise<Found>): Promise<Found> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    const { message, remedy } = error.failure;
    return { detail: message, remedy };
  }
}

/** For whoever asked, who may see what the first line holds. */
async function columnsOf({ settings, files }: Inside, signal: AbortSignal): Promise<string> {
  const looked = await files.look(signal);
  if (looked === null) return 'The file is empty. ';
  if (looked.columns === null) return '';
  const expected = new Set(columnsIn(settings));
  const unused = looked.columns.filter((column) => !expected.has(column));
  const left = unused.length === 0 ? '' : `; not used: ${listed(unused)}`;
  return `Columns found: ${listed([...expected])}${left}. `;
}

function listed(names: readonly string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return `${names.slice(0, SHOWN).join(', ')}${more}`;
}

function seen(users: readonly UserRecord[], columns: string): Found {
  const problems = users.flatMap((record) => (record.kind === 'unreadable' ? [record.problem] : []));
  const first = problems.length === 0 ? '' : ` ${problems.slice(0, PROBLEMS).join('; ')}.`;
  const detail = `${columns}${counted('Users', users)}${first}`;
  if (users.length > problems.length) return { detail };
  const remedy =
    users.length === 0
      ? 'Have people written to the file: nobody is concluded to have left from an empty one.'
      : 'Correct the columns and the spellings of states in the settings, or the export.';
  return { detail, remedy };
}
