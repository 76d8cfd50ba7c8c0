/** What lists and times look like in answers. */
import { z } from 'zod';

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    next: z.string().nullable().describe('`after` of the following page; null: this was the last one.'),
  });
}

/** ISO 8601 in UTC. */
export const Moment = z.codec(z.date(), z.iso.datetime(), {
  decode: (date) => date.toISOString(),
  encode: (text) => new Date(text),
});
