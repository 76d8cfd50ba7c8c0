/** What an administrator enters to connect a file: where it is, how it is written, which column is which attribute. */
import { z } from 'zod';
import { TEXT_ATTRIBUTES } from '../../src/domain/directory.ts';
import { cleanText } from '../../src/domain/normalise.ts';

/** Relative, names only: whatever a tenant's administrator enters stays below the folder that the operator has opened. */
const Path = z
  .string()
  .max(500)
  .refine(
    (path) =>
      path.split('/').every((name) => /^[^./\\\p{Cc}][^/\\\p{Cc}]*$/u.test(name)) && !/^[A-Za-z]:/.test(path),
    'must be a path below the folder of files, such as acme/users.csv, without names that begin with a dot',
  );

const Column = z.string().trim().min(1).max(200);
const optional = Column.optional();
const Spellings = z.array(z.string().max(200));

/** Attributes that are plain text, each in a column of its own. */
export const TEXTS = [...TEXT_ATTRIBUTES, 'manager'] as const;
export type Text = (typeof TEXTS)[number];

const Columns = z.strictObject({
  /** What never changes about a person: a personnel number, not an address. */
  externalId: Column,
  state: optional,
  /** Holds `member` or `guest`. */
  userType: optional,
  aliases: optional,
  ...(Object.fromEntries(TEXTS.map((name) => [name, optional])) as Record<Text, typeof optional>),
  /** Custom attributes by the names that they have in Rollcall. */
  custom: z.record(z.string().min(1).max(200), Column).default({}),
});

const Format = z.enum(['csv', 'json', 'ndjson']);
const Delimiter = z.enum([',', ';', '\t', '|']);
const Separator = z.string().min(1).max(5);

const Groups = z.union([
  z.strictObject({
    /** Of the users' file: the names of the groups that the person is in. */
    column: Column,
    separator: Separator.default(';'),
  }),
  z.strictObject({
    /** One membership an entry, written like the users' file. */
    file: Path,
    columns: z.strictObject({ group: Column, name: optional, member: Column }),
  }),
]);

const STATES = ['active', 'suspended', 'deprovisioned'] as const;

/** Spellings of a state are compared without case and surrounding blanks. */
export function spelling(text: string | null): string {
  return (cleanText(text) ?? '').toLowerCase();
}

export const FileSettings = z
  .strictObject({
    file: Path,
    format: Format,
    /** Of CSV. */
    delimiter: Delimiter.default(','),
    columns: Columns,
    /** Between several aliases in one column. */
    separator: Separator.default(';'),
    states: z
      .strictObject({
        active: Spellings.default(['active']),
        suspended: Spellings.default(['suspended']),
        deprovisioned: Spellings.default(['deprovisioned']),
      })
      .prefault({})
      .refine((states) => {
        const all = STATES.flatMap((state) => [...new Set(states[state].map(spelling))]);
        return new Set(all).size === all.length;
      }, 'have one spelling that stands for two states'),
    groups: Groups.nullable().default(null),
    /** What shows that an upload is whole: a file beside it, named like it with `.sha256` or `.rows` behind. */
    proof: z.enum(['none', 'sha256', 'rows']).default('none'),
    /** A file that has not been written for so long is not read. */
    maxAgeHours: z.number().positive().max(100_000).nullable().default(null),
    /** A file that was written to so recently may still be on its way. */
    quietSeconds: z.number().min(0).max(3600).default(10),
  })
  .refine(
    ({ file, groups }) => groups === null || !('file' in groups) || topOf(groups.file) === topOf(file),
    {
      path: ['groups', 'file'],
      message: 'must be in the same folder as the file of users',
    },
  );
export type FileSettings = z.infer<typeof FileSettings>;

export const FileCredentials = z.strictObject({
  /** The content of `.rollcall-key` in the folder that the path begins with. */
  folderKey: z.string().trim().min(1).max(1000).nullable().default(null),
});
export type FileCredentials = z.infer<typeof FileCredentials>;

/** The folder that a path begins with; a key opens it as a whole. */
export function topOf(path: string): string {
  return path.split('/')[0] ?? '';
}

/** Every column that the settings name in the file of users. */
export function columnsIn({ columns, groups }: FileSettings): readonly string[] {
  const { custom, ...named } = columns;
  const ofGroups = groups !== null && 'column' in groups ? [groups.column] : [];
  const all = [...Object.values(named), ...Object.values(custom), ...ofGroups];
  return [...new Set(all.filter((column) => column !== undefined))];
}

/** Of the file of memberships. */
export type MembershipColumns = Extract<FileSettings['groups'], { file: string }>['columns'];

export function membershipColumnsIn({ group, name, member }: MembershipColumns): readonly string[] {
  return [...new Set([group, member, ...(name === undefined ? [] : [name])])];
}
