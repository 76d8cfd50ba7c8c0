/** Expressions that tests write into mappings, and what each means, in another language. */
import type { DirectoryUser } from '../../src/domain/directory.ts';

type Value = string | number | boolean | readonly string[] | null;
type IsIn = (group: string) => boolean;

/** Throws where the expression fails. */
export const VALUES: Readonly<Record<string, (user: DirectoryUser, isIn: IsIn) => Value>> = {
  'user.displayName + "/" + user.department': (user) => `${user.displayName ?? ''}/${user.department ?? ''}`,
  '"g1" in groupIds ? "grouped" : user.department': (user, isIn) =>
    isIn('g1') ? 'grouped' : user.department,
  'has(user.custom.note) ? "noted" : ""': (user) => (user.custom['note'] === undefined ? null : 'noted'),
  'user.department.startsWith("Z") ? user.department : ""': (user) =>
    user.department?.startsWith('Z') ? user.department : null,
  'string(user.custom.note)': (user) => {
    const { note } = user.custom;
    if (note === undefined || typeof note === 'object') throw new Error('no text follows from it');
    return String(note);
  },
};

export const SCOPES: Readonly<Record<string, (user: DirectoryUser, isIn: IsIn) => boolean>> = {
  'user.department != "ADA LOVELACE"': (user) => user.department !== 'ADA LOVELACE',
  '"Group g2" in groups || user.displayName != ""': (user, isIn) =>
    isIn('Group g2') || user.displayName !== null,
  'user.custom.note != "Ada Lovelace"': (user) => {
    if (user.custom['note'] === undefined) throw new Error('there is none');
    return user.custom['note'] !== 'Ada Lovelace';
  },
  '"g1" in groupIds || !user.department.contains("Zo")': (user, isIn) =>
    isIn('g1') || !(user.department ?? '').includes('Zo'),
};
