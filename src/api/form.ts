/** What a form says, as browsers and OAuth's clients send one. */
import { invalidInput } from '../domain/input.ts';

/** In bytes. */
export const LONGEST_FORM = 16_384;
/** Far more than any form of ours has. */
const MOST_FIELDS = 100;

export type Fields = Readonly<Record<string, unknown>>;

/** What is there twice is a list, and so none of both to whoever asks for one (RFC 6749, section 3.2). Throws `invalid-input`. */
export function fieldsOf(body: string): Fields {
  const sent = new URLSearchParams(body);
  if (sent.size > MOST_FIELDS) throw invalidInput([{ path: '', message: 'the form has too many fields' }]);
  const fields = new Map<string, string | readonly string[]>();
  for (const [name, value] of sent) {
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : [before, value].flat());
  }
  return Object.fromEntries(fields);
}
