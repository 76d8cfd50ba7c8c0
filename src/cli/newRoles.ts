/** Roles that a mapping names and that there were not: meant, or a slip of the pen. */
import { shellWord } from '../domain/shellWord.ts';
import { asTyped } from './asTyped.ts';
import { harmless, type Terminal } from './terminal.ts';

type NewRoles = readonly { readonly role: string; readonly similar: readonly string[] }[];

/** Before the mapping is saved. */
export function foretellNewRoles({ line, style }: Terminal, roles: NewRoles): void {
  for (const { role, similar } of roles)
    line(style('yellow', `there is no role ${quoted(role)} yet: saving this makes it.${meant(similar)}`));
}

/** After it. */
export function noteNewRoles({ note, noteStyle }: Terminal, roles: NewRoles): void {
  for (const { role, similar } of roles) {
    const made = `made the role ${quoted(role)}, which was not there.`;
    if (similar.length === 0) note(`Besides ${made}`);
    else {
      note(`${noteStyle('yellow', 'warning')}: ${made}${meant(similar)}`);
      note(asTyped(`  Then correct the mapping, and: rollcall roles remove ${shellWord(harmless(role))}`));
    }
  }
}

function meant(similar: readonly string[]): string {
  return similar.length === 0 ? '' : ` Is ${similar.map(quoted).join(' or ')} meant?`;
}

function quoted(name: string): string {
  return `“${harmless(name)}”`;
}
